/** Calls on this phone: the reducer wired to the line, the clock, the ring tone and the media. */
import { computed, ref, shallowRef, watch } from 'vue'
import type { Call, EndReason, IceServers, Id } from '../shared/api-types'
import { get, post, ProblemError, UnreachableError } from '../shared/api'
import { serverNow } from '../shared/clock'
import type { PhoneMedia, SignalMessage } from '../shared/phone-media'
import { startRinging, stopRinging } from '../shared/ring-tone'
import { device } from '../shared/session'
import { toast } from '../shared/toast'
import { endReason, failure } from '../shared/words'
import { alsoRinging, emptyCalls, focusOf, reduceCalls, sounds, type CallEvent, type Notice, type Wish } from './call-state'
import { t } from './messages'
import { ask, sendSignal } from './store'

const state = shallowRef(emptyCalls(''))
export const nowMs = ref(serverNow())
export const focus = computed(() => focusOf(state.value, nowMs.value))
export const others = computed(() => alsoRinging(state.value, nowMs.value))
export const media = shallowRef<PhoneMedia | null>(null)

const TICK_MS = 200
let ticker: ReturnType<typeof setInterval> | undefined

function dispatch(event: CallEvent): void {
  nowMs.value = serverNow()
  const mine = device.value?.id ?? ''
  const before = state.value.deviceId === mine ? state.value : { ...state.value, deviceId: mine }
  state.value = reduceCalls(before, event)
  if (state.value.notices.length) {
    state.value.notices.forEach(tell)
    state.value = reduceCalls(state.value, { type: 'noticed' })
  }
  const alive = Object.values(state.value.known).some((one) => !one.over && one.call.state !== 'ended')
  if (alive && !ticker) ticker = setInterval(() => dispatch({ type: 'tick', nowMs: serverNow() }), TICK_MS)
  if (!alive && ticker) ticker = void clearInterval(ticker)
}

function tell(notice: Notice): void {
  switch (notice.kind) {
    case 'answered_elsewhere':
      toast(notice.name ? t('notice.answered_by', { name: notice.name }) : t('notice.answered_other'))
      return
    case 'declined_here':
      toast(t('notice.declined_here'))
      return
    case 'ring_over':
      toast(t('notice.ring_over'), { bad: true })
      return
    case 'ended':
      if (notice.byMe && notice.reason === 'declined') toast(t('notice.declined'))
      else toast(endReason(notice.reason), { bad: ['no_answer', 'station_lost', 'phone_lost', 'media_failed'].includes(notice.reason ?? '') })
  }
}

/** The snapshot after each connection: whatever it lacks is over, and its end is asked for. */
export function hearState(calls: readonly Call[]): void {
  dispatch({ type: 'snapshot', calls, nowMs: serverNow() })
  for (const id of state.value.unexplained) void explain(id)
}

async function explain(id: Id): Promise<void> {
  try {
    hearCall(await get<Call>(`/calls/${id}`))
  } catch {
    // It may be gone for this phone altogether; then it is simply over.
  }
  dispatch({ type: 'unexplained', callId: id })
}

/** Calls the service knows to ring here; signals wait for that, since it gives a phone its leg. */
const announced = new Map<Id, Promise<unknown>>()

export function hearCall(call: Call): void {
  dispatch({ type: 'call', call, nowMs: serverNow() })
}

export function hearSignal(message: SignalMessage): void {
  void media.value?.hear(message)
}

export function callLineBack(): void {
  media.value?.resumeAfterReconnect()
}

export function forgetCalls(): void {
  state.value = emptyCalls('')
  announced.clear()
  iceCache = null
}

// --- what the person does -------------------------------------------------------------------------------------------

/** Asks over the line, and over HTTP when the line is silent; both do the same. */
async function settle(callId: Id, wish: Wish, event: string, path: string): Promise<boolean> {
  dispatch({ type: 'wish', callId, wish })
  let repeated = false
  try {
    let answer: { call: Call }
    try {
      answer = await ask<{ call: Call }>(event, { call_id: callId }, 4_000)
    } catch (problem) {
      if (problem instanceof ProblemError) throw problem
      repeated = true
      answer = await post<{ call: Call }>(`/calls/${callId}/${path}`)
    }
    hearCall(answer.call)
    dispatch({ type: 'wish', callId, wish: null })
    return true
  } catch (problem) {
    if (problem instanceof ProblemError && repeated && problem.status === 409) {
      // The first request may have won although its acknowledgement was lost.
      await get<Call>(`/calls/${callId}`).then(hearCall, () => undefined)
    }
    if (problem instanceof ProblemError && problem.slug === 'call-already-answered') {
      const by = problem.problem.answered_by as { name?: string | null } | undefined
      dispatch({ type: 'lost', callId, name: by?.name ?? null })
    } else if (problem instanceof ProblemError && (problem.slug === 'call-ended' || problem.status === 404)) {
      dispatch({ type: 'refused_ended', callId, reason: (problem.problem.end_reason as EndReason | undefined) ?? null })
    } else {
      dispatch({ type: 'wish', callId, wish: null })
      toast(problem instanceof UnreachableError || problem instanceof ProblemError ? failure(problem) : failure(null), { bad: true })
    }
    return false
  }
}

/** Answers; the microphone is asked for at the same moment, so that the first word is not lost. */
export async function answer(callId: Id): Promise<void> {
  void media.value?.openMic()
  await settle(callId, 'answer', 'call.answer', 'answer')
}

export const decline = (callId: Id) => settle(callId, 'decline', 'call.decline', 'decline')
export const hangUp = (callId: Id) => settle(callId, 'hang_up', 'call.hangup', 'hang-up')

// --- media and ring tone follow the focus ---------------------------------------------------------------------------

let iceCache: { servers: RTCIceServer[]; untilMs: number } | null = null

/** STUN and TURN servers with credentials that last; without them, direct paths are still tried. */
export async function iceServers(): Promise<RTCIceServer[]> {
  if (iceCache && performance.now() < iceCache.untilMs) return iceCache.servers
  try {
    const answer = await get<IceServers>('/ice-servers')
    iceCache = { servers: answer.ice_servers, untilMs: performance.now() + Math.max(0, answer.expires_in_s - 60) * 1000 }
    return iceCache.servers
  } catch {
    return []
  }
}

const loadMedia = () => import('../shared/phone-media')

/** Fetches ahead what a ring will need, when the page has nothing better to do. */
export function prepareForCalls(): void {
  void loadMedia()
  void import('./CallScreen.vue')
  void iceServers()
}

watch(
  () => (focus.value?.phase === 'incoming' ? focus.value.known.call.id : null),
  (callId) => {
    if (callId === null || announced.has(callId)) return
    announced.set(
      callId,
      ask('call.received', { call_id: callId }).catch(() => announced.delete(callId)),
    )
  },
  { flush: 'sync' },
)

async function signal(message: SignalMessage): Promise<unknown> {
  await announced.get(message.call_id)
  return sendSignal(message)
}

watch(
  () => focus.value?.known.call.id ?? null,
  async (callId) => {
    media.value?.close()
    media.value = null
    if (callId === null) return
    const { PhoneMedia } = await loadMedia()
    if (focus.value?.known.call.id !== callId) return
    media.value = new PhoneMedia({ callId, iceServers, send: signal })
    await media.value.start()
  },
  { flush: 'sync' },
)

watch(
  () => sounds(focus.value),
  (now) => (now ? startRinging() : stopRinging()),
  { flush: 'sync' },
)
