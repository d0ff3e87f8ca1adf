/** Pairing: a code from an administrator becomes this browser's identity as a station. */

import { newKeys, publicKeyOf, saveStation, signer, type StationRecord } from './keys'
import { send } from '../shared/http'
import { SOFTWARE, pairingText } from './protocol'

/** The code of `/station#pair=12345678`, digits only, or "". */
export function codeFromHash(hash: string): string {
  const code = new URLSearchParams(hash.replace(/^#/, '')).get('pair') ?? ''
  return code.replace(/\D/g, '').slice(0, 8)
}

/**
 * Pair this browser as the station the code was made for. The key is new each time: the earlier holder is refused from now on.
 *
 * @throws ProblemError, UnreachableError.
 */
export async function pair(clientId: string, code: string): Promise<StationRecord> {
  const keys = await newKeys()
  const publicKey = await publicKeyOf(keys)
  const proof = await signer(keys)(pairingText(code, publicKey))
  const answer = await send<{ station_id: string; audience: string }>('POST', '/stations/pair', {
    proof: false,
    body: { code, public_key: publicKey, software: SOFTWARE, proof },
  })
  const record: StationRecord = { keys, identity: { station_id: answer.station_id, audience: answer.audience } }
  await saveStation(clientId, record)
  return record
}

/** The demo's own code for one of its stations; a room of the seeded community comes with it. */
export function demoPairingCode(station: 'unit' | 'gate'): Promise<{ code: string; room: string }> {
  return send('POST', '/demo/pairing-codes', { proof: false, body: { station } })
}
