/** This client's device key (P-256, not extractable, in IndexedDB) and the DPoP proofs made with it (RFC 9449). */
import { clientId } from './client'
import { serverNow } from './clock'

const DB_NAME = 'gatehouse'
const STORE = 'device-keys'

/** The demo's frames and any embedded browser keep separate keys; see client.ts. */
let held: Promise<CryptoKeyPair> | null = null

const done = <T>(request: IDBRequest<T>) =>
  new Promise<T>((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error ?? new Error('IndexedDB'))
  })

async function withStore<T>(mode: IDBTransactionMode, use: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const opening = indexedDB.open(DB_NAME, 1)
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE)
  const db = await done(opening)
  try {
    return await done(use(db.transaction(STORE, mode).objectStore(STORE)))
  } finally {
    db.close()
  }
}

async function loadOrMake(): Promise<CryptoKeyPair> {
  const kept = await withStore<CryptoKeyPair | undefined>('readonly', (store) => store.get(clientId))
  if (kept) return kept
  const fresh = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify'])
  try {
    await withStore('readwrite', (store) => store.add(fresh, clientId))
    return fresh
  } catch {
    // Another page of this client was first; both must use the same key.
    return await withStore<CryptoKeyPair>('readonly', (store) => store.get(clientId))
  }
}

export const deviceKey = (): Promise<CryptoKeyPair> => (held ??= loadOrMake().catch((problem) => Promise.reject((held = null, problem))))

/** Throws the key away, so that the next sign-in is a new device (after a removal). */
export async function forgetDeviceKey(): Promise<void> {
  held = null
  await withStore('readwrite', (store) => store.delete(clientId))
}

export function base64url(bytes: ArrayBuffer | Uint8Array): string {
  const view = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes)
  let text = ''
  for (const byte of view) text += String.fromCharCode(byte)
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
}

const utf8 = (text: string) => new TextEncoder().encode(text)
const part = (value: unknown) => base64url(utf8(JSON.stringify(value)))

/** A DPoP proof for one request. `url` is origin and path, without a query; `token` is the access token it goes with. */
export async function makeProof(key: CryptoKeyPair, method: string, url: string, token?: string, nowMs = serverNow()): Promise<string> {
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', key.publicKey)
  const claims: Record<string, unknown> = {
    jti: base64url(crypto.getRandomValues(new Uint8Array(16))),
    htm: method,
    htu: url,
    iat: Math.floor(nowMs / 1000),
  }
  if (token !== undefined) claims.ath = base64url(await crypto.subtle.digest('SHA-256', utf8(token)))
  const signed = `${part({ typ: 'dpop+jwt', alg: 'ES256', jwk: { kty, crv, x, y } })}.${part(claims)}`
  const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, key.privateKey, utf8(signed))
  return `${signed}.${base64url(signature)}`
}

/** A proof by this client's own key. */
export const proofFor = async (method: string, path: string, token?: string): Promise<string> =>
  makeProof(await deviceKey(), method, location.origin + path, token)
