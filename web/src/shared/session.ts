/** The session of this client: in memory only; the refresh token is a cookie no script can read. */
import { computed, shallowRef } from 'vue'
import type { Session } from './api-types'
import { clientId, recall, remember } from './client'
import { noteServerTime } from './clock'
import { ProblemError, send } from './http'

export type SessionState = 'starting' | 'unreachable' | 'signed_out' | 'signed_in'

interface Held extends Session {
  expiresAtMs: number
}

const held = shallowRef<Held | null>(null)
export const sessionState = shallowRef<SessionState>('starting')
export const account = computed(() => held.value?.account ?? null)
export const device = computed(() => held.value?.device ?? null)

type Listener = (session: Session | null) => void
const listeners = new Set<Listener>()

/** Calls `listener` at every new access token and, with null, at the end of the session. */
export function onSession(listener: Listener): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** Takes over a session that a sign-in or a refresh answered. */
export function adoptSession(session: Session): Session {
  noteServerTime(session.server_time)
  held.value = { ...session, expiresAtMs: performance.now() + session.expires_in_s * 1000 }
  sessionState.value = 'signed_in'
  byChoice = false
  remember('signed-in', '1')
  for (const listener of listeners) listener(session)
  return session
}

/** Updates what the session says about account or device (after GET /me), keeping the token. */
export function updateSession(change: Partial<Pick<Session, 'account' | 'device'>>): void {
  if (held.value) held.value = { ...held.value, ...change }
}

export function dropSession(): void {
  held.value = null
  sessionState.value = 'signed_out'
  remember('signed-in', null)
  for (const listener of listeners) listener(null)
}

let refreshing: Promise<Session> | null = null

/**
 * A new access token; callers at the same time share one exchange.
 *
 * @throws ProblemError (the session is over and dropped), UnreachableError.
 */
export function refreshSession(): Promise<Session> {
  const exchange = async () => {
    try {
      return adoptSession(await send<Session>('POST', '/session/refresh'))
    } catch (problem) {
      if (problem instanceof ProblemError && (problem.status === 401 || problem.status === 403)) dropSession()
      throw problem
    }
  }
  // Two pages of one client must not rotate the same cookie at once.
  const locked = () => (navigator.locks ? navigator.locks.request(`gh-refresh-${clientId}`, exchange) : exchange())
  refreshing ??= (locked() as Promise<Session>).finally(() => (refreshing = null))
  return refreshing
}

/** The access token, renewed when it has less than `marginMs` to live. */
export async function accessToken(marginMs = 20_000): Promise<string> {
  const now = held.value
  if (now && now.expiresAtMs - performance.now() > marginMs) return now.access_token
  return (await refreshSession()).access_token
}

/** Picks the session up again after a page load; leaves `sessionState` at what was found. */
export async function resumeSession(): Promise<void> {
  if (recall('signed-in') === null) {
    sessionState.value = 'signed_out'
    return
  }
  try {
    await refreshSession()
  } catch (problem) {
    if (sessionState.value !== 'signed_out') sessionState.value = problem instanceof ProblemError && problem.status < 500 ? 'signed_out' : 'unreachable'
  }
}

let byChoice = false

/** Whether the last session was ended by the person, rather than by the service. */
export const leftByChoice = (): boolean => byChoice

export async function signOut(): Promise<void> {
  byChoice = true
  try {
    await send('DELETE', '/session', { token: await accessToken() })
  } finally {
    dropSession()
  }
}
