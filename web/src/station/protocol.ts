/** The words of docs/station-protocol.md, version 1: message types and the texts a station signs. */
import type { Problem } from '../shared/http'
import { base64url } from '../shared/keys'

export const PROTOCOL = 1
export const SOFTWARE = 'gatehouse-kiosk 0.1.0'

export type Language = 'zh' | 'en'
export type Contact = 'open' | 'closed' | 'unknown'
export type CallState = 'ringing' | 'answered' | 'ended'
export type LegState = 'ringing' | 'answered' | 'declined' | 'completed_elsewhere' | 'ended'
export type HangupReason = 'visitor' | 'station_restarted' | 'media_failed'
export type OpenOutcome = 'opened' | 'failed' | 'expired'
export type Moment = 'press' | 'answer' | 'opening'

export interface StationDoor {
  id: string
  name: string
  relay: number
  hold_s: number
  primary: boolean
}

export interface StationConfig {
  version: number
  station: { id: string; name: string; kind: 'unit' | 'gate'; community: string; language: Language }
  doors: StationDoor[]
  dial: { kind: 'room' | 'building_room'; hint: { zh: string; en: string } }
  ring_s: number
  talk_s: number
  relay: { kind: 'agent' | 'drawn' | 'none'; url: string | null }
  ice_servers: RTCIceServer[]
}

export interface Leg {
  id: string
  state: LegState
}

export interface StationCall {
  id: string
  version: number
  state: CallState
  dial: string
  placed_at: string
  expires_at: string
  talk_until: string | null
  answered_at: string | null
  answered_leg_id: string | null
  ended_at: string | null
  end_reason: string | null
  legs: Leg[]
}

export interface OpenCommand {
  command_id: string
  door_id: string
  relay: number
  hold_s: number
  issued_at: string
  expires_at: string
  call_id: string | null
  by: string | null
}

export interface OpenResult {
  command_id: string
  result: OpenOutcome
  detail: string | null
  at: string
}

export interface DoorEvent {
  event_id: string
  seq: number
  kind: 'door_opened' | 'door_closed' | 'exit_button'
  door_id: string
  at: string
  detail: string | null
}

export interface SignalMessage {
  call_id: string
  leg_id: string
  description?: RTCSessionDescriptionInit
  candidate?: RTCIceCandidateInit | null
  problem?: Problem
}

export interface Welcome {
  server_time: string
  heartbeat_s: number
  config: StationConfig
  call: StationCall | null
}

export interface PictureMessage {
  moment: Moment
  call_id: string | null
  command_id: string | null
  at: string
  jpeg?: Uint8Array
  missing?: 'camera_failed'
}

export interface Hello {
  protocol: number
  station_id: string
  audience: string
  issued_at_ms: number
  nonce: string
  software: string
  signature: string
}

/** What pairing gave this station; its key stays in the browser's key store. */
export interface Identity {
  station_id: string
  audience: string
}

export type Sign = (text: string) => Promise<string>

/** An opaque identifier of 32 characters, as the protocol asks. */
export function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

export function pairingText(code: string, publicKey: string): string {
  return `gatehouse-station-pair-v1\n${code}\n${publicKey}`
}

export function helloText(identity: Identity, issuedAtMs: number, nonce: string): string {
  return `gatehouse-station-hello-v1\n${identity.station_id}\n${identity.audience}\n${issuedAtMs}\n${nonce}`
}

/** A hello is good for one connection only: the nonce is new each time. */
export async function signHello(identity: Identity, sign: Sign, serverNowMs: number): Promise<Hello> {
  const issuedAtMs = Math.round(serverNowMs)
  const nonce = base64url(crypto.getRandomValues(new Uint8Array(16)))
  return {
    protocol: PROTOCOL,
    ...identity,
    issued_at_ms: issuedAtMs,
    nonce,
    software: SOFTWARE,
    signature: await sign(helloText(identity, issuedAtMs, nonce)),
  }
}

export type ActiveCall = StationCall & { state: 'ringing' | 'answered' }

export function isActive(call: StationCall | null): call is ActiveCall {
  return call !== null && call.state !== 'ended'
}
