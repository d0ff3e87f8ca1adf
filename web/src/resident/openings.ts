/** Opening doors: one wish, one idempotency key, and on the button only what is known to be true. */
import { reactive } from 'vue'
import type { Id, Opening } from '../shared/api-types'
import { newIdempotencyKey, post, ProblemError, UnreachableError } from '../shared/api'
import { failure } from '../shared/words'
import { t } from './messages'

export type DoorPhase = 'idle' | 'opening' | 'opened' | 'unanswered' | 'offline' | 'failed' | 'refused' | 'unreachable'

export interface DoorView {
  phase: DoorPhase
  text: string
  openingId: Id | null
  /** The call it was asked for in; null for the home page's own buttons. */
  callId: Id | null
}

/** How long a result stays on the button before it offers the next opening. */
const SHOWN_MS = { opened: 6_000, other: 9_000 }
/** A wish older than this is not repeated: no door may open for a forgotten tap. */
const REPEAT_WITHIN_MS = 3_000
const GIVE_UP_MS = 8_000

export const doorViews = reactive<Record<Id, DoorView>>({})
const timers = new Map<Id, ReturnType<typeof setTimeout>>()

const IDLE: DoorView = { phase: 'idle', text: '', openingId: null, callId: null }
export const doorView = (doorId: Id): DoorView => doorViews[doorId] ?? IDLE

/** The door as this call's screen shows it: an earlier opening is none of its business, one under way is. */
export function doorViewInCall(doorId: Id, callId: Id): DoorView {
  const view = doorView(doorId)
  return view.callId === callId || view.phase === 'opening' ? view : IDLE
}

/** What the state of an opening means on the button, and in words. */
export function viewOf(opening: Opening): DoorView {
  switch (opening.state) {
    case 'opened':
      return { phase: 'opened', text: t('door.opened'), openingId: opening.id, callId: opening.call_id }
    case 'unanswered':
      return { phase: 'unanswered', text: t('door.unanswered'), openingId: opening.id, callId: opening.call_id }
    case 'offline':
      return { phase: 'offline', text: t('door.offline'), openingId: opening.id, callId: opening.call_id }
    case 'expired':
      return { phase: 'failed', text: t('door.expired'), openingId: opening.id, callId: opening.call_id }
    case 'failed':
      return { phase: 'failed', text: t('door.failed'), openingId: opening.id, callId: opening.call_id }
    case 'commanded':
      return { phase: 'opening', text: t('door.opening'), openingId: opening.id, callId: opening.call_id }
  }
}

function show(doorId: Id, view: DoorView) {
  doorViews[doorId] = view
  clearTimeout(timers.get(doorId))
  const back = (ms: number, next: DoorView) => timers.set(doorId, setTimeout(() => show(doorId, next), ms))
  if (view.phase === 'opening') back(GIVE_UP_MS, { phase: 'unanswered', text: t('door.unanswered'), openingId: view.openingId, callId: view.callId })
  else if (view.phase !== 'idle') back(view.phase === 'opened' ? SHOWN_MS.opened : SHOWN_MS.other, IDLE)
}

/** A later word about an opening of this person; an acknowledgement that comes late corrects what was shown. */
export function correctOpening(opening: Opening): void {
  const shown = doorViews[opening.door.id]
  if (shown && (shown.openingId === opening.id || shown.phase === 'opening')) show(opening.door.id, viewOf(opening))
}

export function denial(reason: unknown): string {
  switch (reason) {
    case 'no_household':
      return t('deny.no_household')
    case 'not_your_door':
    case 'not_door_of_call':
      return t('deny.not_your_door')
    case 'household_let':
      return t('deny.household_let')
    case 'answered_by_another':
      return t('deny.answered_by_another')
    case 'device_pending':
      return t('deny.device_pending')
    case 'call_over':
      return t('deny.call_over')
    default:
      return t('deny.other')
  }
}

/** Opens a door, in a call or on its own; returns what the button now says. */
export async function openDoor(doorId: Id, callId?: Id): Promise<DoorView> {
  if (doorView(doorId).phase === 'opening') return doorView(doorId)
  const key = newIdempotencyKey()
  const asked = performance.now()
  show(doorId, { phase: 'opening', text: t('door.opening'), openingId: null, callId: callId ?? null })
  for (;;) {
    try {
      const opening = await post<Opening>(`/doors/${doorId}/openings`, callId ? { call_id: callId } : {}, key)
      // The socket may have told the end before the answer came back.
      const told = doorView(doorId)
      if (!(told.openingId === opening.id && opening.state === 'commanded')) show(doorId, viewOf(opening))
    } catch (problem) {
      if (problem instanceof UnreachableError && performance.now() - asked < REPEAT_WITHIN_MS) {
        await new Promise((resolve) => setTimeout(resolve, 400))
        if (performance.now() - asked < REPEAT_WITHIN_MS) continue
      }
      if (problem instanceof ProblemError && problem.slug === 'access-denied') {
        show(doorId, { phase: 'refused', text: denial(problem.problem.reason), openingId: null, callId: callId ?? null })
      } else if (problem instanceof UnreachableError) {
        show(doorId, { phase: 'unreachable', text: t('door.unreachable'), openingId: null, callId: callId ?? null })
      } else {
        show(doorId, { phase: 'failed', text: failure(problem), openingId: null, callId: callId ?? null })
      }
    }
    return doorView(doorId)
  }
}
