/** The station's Ed25519 key and identity, kept in the browser; the private half cannot be read out. */

import { base64url } from '../shared/keys'
import type { Identity, Sign } from './protocol'

const DATABASE = 'gatehouse-station'
const STORE = 'stations'

export interface StationRecord {
  keys: CryptoKeyPair
  identity: Identity
}

export type KeySupport = 'ok' | 'no-ed25519' | 'insecure'

export async function keySupport(): Promise<KeySupport> {
  if (!globalThis.isSecureContext || !globalThis.crypto?.subtle || !globalThis.indexedDB) return 'insecure'
  try {
    await newKeys()
    return 'ok'
  } catch {
    return 'no-ed25519'
  }
}

export async function newKeys(): Promise<CryptoKeyPair> {
  return (await crypto.subtle.generateKey({ name: 'Ed25519' }, false, ['sign', 'verify'])) as CryptoKeyPair
}

export async function publicKeyOf(keys: CryptoKeyPair): Promise<string> {
  return base64url(new Uint8Array(await crypto.subtle.exportKey('raw', keys.publicKey)))
}

export function signer(keys: CryptoKeyPair): Sign {
  return async (text) =>
    base64url(new Uint8Array(await crypto.subtle.sign({ name: 'Ed25519' }, keys.privateKey, new TextEncoder().encode(text))))
}

export async function loadStation(clientId: string): Promise<StationRecord | null> {
  return ((await inStore('readonly', (store) => store.get(clientId))) as StationRecord | undefined) ?? null
}

export async function saveStation(clientId: string, record: StationRecord): Promise<void> {
  await inStore('readwrite', (store) => store.put(record, clientId))
}

function inStore(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(DATABASE, 1)
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE)
    opening.onerror = () => reject(opening.error ?? new Error("the browser's store is closed"))
    opening.onsuccess = () => {
      const database = opening.result
      const transaction = database.transaction(STORE, mode)
      const request = work(transaction.objectStore(STORE))
      transaction.oncomplete = () => {
        database.close()
        resolve(request.result)
      }
      transaction.onabort = () => {
        database.close()
        reject(transaction.error ?? new Error("the browser's store refused"))
      }
    }
  })
}
