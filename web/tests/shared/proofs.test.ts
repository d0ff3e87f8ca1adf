import { describe, expect, it } from 'vitest'
import { noteServerTime } from '../../src/shared/clock'
import { makeProof } from '../../src/shared/keys'

const newKey = () => crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify'])
const bytes = (part: string) => Uint8Array.from(atob(part.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0))
const read = (part: string | undefined) => JSON.parse(new TextDecoder().decode(bytes(part ?? ''))) as Record<string, unknown>

describe('a DPoP proof (RFC 9449)', () => {
  it('has the header and the claims the service asks for, and verifies with the key it carries', async () => {
    const key = await newKey()
    const proof = await makeProof(key, 'POST', 'http://localhost:8080/api/v1/doors/d/openings', 'token', 1_795_334_400_999)
    const [header, claims, signature] = proof.split('.')
    const { jwk, ...rest } = read(header) as { jwk: JsonWebKey }
    expect(rest).toEqual({ typ: 'dpop+jwt', alg: 'ES256' })
    expect(Object.keys(jwk).sort()).toEqual(['crv', 'kty', 'x', 'y'])
    expect(read(claims)).toMatchObject({
      htm: 'POST',
      htu: 'http://localhost:8080/api/v1/doors/d/openings',
      iat: 1_795_334_400,
      ath: 'PEaenWxYddN6Q_NT1PiOYfz4EsZu7jRXRlpAsNpBU-A',
    })
    const carried = await crypto.subtle.importKey('jwk', jwk, { name: 'ECDSA', namedCurve: 'P-256' }, true, ['verify'])
    const signed = new TextEncoder().encode(`${header}.${claims}`)
    expect(await crypto.subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, carried, bytes(signature ?? ''), signed)).toBe(true)
    expect(bytes(signature ?? '').length).toBe(64)
  })

  it('has no ath without a token, and a jti of its own each time', async () => {
    const key = await newKey()
    const [one, two] = await Promise.all([makeProof(key, 'GET', 'http://x/'), makeProof(key, 'GET', 'http://x/')])
    const claims = [one, two].map((proof) => read(proof.split('.')[1]))
    expect(claims[0]).not.toHaveProperty('ath')
    expect(claims[0]?.jti).not.toBe(claims[1]?.jti)
  })

  it('is dated by the server\'s clock, however wrong this one is', async () => {
    noteServerTime(new Date(Date.now() + 3_600_000).toISOString())
    const claims = read((await makeProof(await newKey(), 'GET', 'http://x/')).split('.')[1])
    expect(Math.abs((claims.iat as number) * 1000 - (Date.now() + 3_600_000))).toBeLessThan(2_000)
    noteServerTime(new Date().toISOString())
  })
})
