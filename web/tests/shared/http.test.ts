import { afterEach, describe, expect, it, vi } from 'vitest'
import { ProblemError, send, UnreachableError } from '../../src/shared/http'

const answers: Response[] = []
const asked: { url: string; init: RequestInit }[] = []
const json = (status: number, body: unknown, type = 'application/json') => new Response(JSON.stringify(body), { status, headers: { 'content-type': type } })

vi.stubGlobal('fetch', async (url: string, init: RequestInit) => {
  asked.push({ url, init })
  const next = answers.shift()
  if (!next) throw new TypeError('network')
  return next
})
afterEach(() => {
  answers.length = asked.length = 0
})
const headers = (index = 0) => asked[index]?.init.headers as Record<string, string>

describe('send', () => {
  it('asks with the client\'s name, the key of the wish and the query, and gives the body back', async () => {
    answers.push(json(200, { items: [] }))
    expect(await send('GET', '/calls', { proof: false, query: { limit: 3, cursor: undefined }, idempotencyKey: 'k' })).toEqual({ items: [] })
    expect(asked[0]?.url).toBe('/api/v1/calls?limit=3')
    expect(headers()).toMatchObject({ 'x-client': 'gh-test', 'idempotency-key': 'k' })
  })

  it('gives nothing back for 204', async () => {
    answers.push(new Response(null, { status: 204 }))
    expect(await send('DELETE', '/session', { proof: false })).toBeUndefined()
  })

  it('throws the problem with its slug and members', async () => {
    answers.push(json(409, { type: '/problems/call-already-answered', title: 'x', status: 409, answered_by: { name: '妈妈' } }, 'application/problem+json'))
    const problem = await send('POST', '/calls/c/answer', { proof: false }).catch((error: unknown) => error)
    expect(problem).toBeInstanceOf(ProblemError)
    expect(problem).toMatchObject({ slug: 'call-already-answered', status: 409, problem: { answered_by: { name: '妈妈' } } })
  })

  it('asks once more, and only once, when only the clock was wrong', async () => {
    const late = () => json(401, { type: '/problems/proof-expired', title: 'x', status: 401, server_time: new Date().toISOString() })
    answers.push(late(), json(200, { ok: 1 }))
    expect(await send('GET', '/me', { proof: false })).toEqual({ ok: 1 })
    answers.push(late(), late(), json(200, { ok: 2 }))
    await expect(send('GET', '/me', { proof: false })).rejects.toMatchObject({ slug: 'proof-expired' })
    expect(asked).toHaveLength(4)
  })

  it('tells silence and a dead proxy from a refusal', async () => {
    await expect(send('GET', '/me', { proof: false })).rejects.toBeInstanceOf(UnreachableError)
    answers.push(new Response('<html>bad gateway</html>', { status: 502 }))
    await expect(send('GET', '/me', { proof: false })).rejects.toBeInstanceOf(UnreachableError)
    answers.push(new Response('<html>no</html>', { status: 500 }))
    await expect(send('GET', '/me', { proof: false })).rejects.toMatchObject({ slug: 'http', status: 500 })
  })
})
