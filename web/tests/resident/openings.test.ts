import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Opening, OpeningState } from '../../src/shared/api-types'
import { ProblemError, UnreachableError } from '../../src/shared/http'

const wishes: { path: string; body: unknown; key: string | undefined }[] = []
const answers: (() => Promise<Opening>)[] = []

vi.mock('../../src/shared/api', async () => ({
  ...(await import('../../src/shared/http')),
  newIdempotencyKey: () => `key-${wishes.length}`,
  post: (path: string, body: unknown, key?: string) => {
    wishes.push({ path, body, key })
    return (answers.shift() ?? (() => Promise.reject(new UnreachableError())))()
  },
}))
const { lang } = await import('../../src/shared/i18n')
const { correctOpening, doorView, doorViewInCall, openDoor } = await import('../../src/resident/openings')

let door = 0
const DOOR = () => `door-${door}`
const opening = (state: OpeningState, change: Partial<Opening> = {}): Opening => ({
  id: `opening-${door}`, door: { id: DOOR(), name: '3栋2单元' }, state, reason: null, at: '2026-11-22T08:00:00.000Z', call_id: null, ...change,
})
const answersWith = (one: Opening) => answers.push(() => Promise.resolve(one))

beforeEach(() => {
  lang.value = 'zh'
  vi.useFakeTimers()
  door += 1
  wishes.length = answers.length = 0
})
afterEach(() => vi.useRealTimers())

describe('a door button', () => {
  it.each([
    ['opened', 'opened'],
    ['unanswered', 'unanswered'],
    ['offline', 'offline'],
    ['failed', 'failed'],
    ['expired', 'failed'],
    ['commanded', 'opening'],
  ] as const)('says for %s: %s, and never "opened" for anything but opened', async (state, phase) => {
    answersWith(opening(state))
    expect((await openDoor(DOOR())).phase).toBe(phase)
  })

  it('is corrected by a late acknowledgement', async () => {
    answersWith(opening('unanswered'))
    await openDoor(DOOR())
    correctOpening(opening('opened'))
    expect(doorView(DOOR()).phase).toBe('opened')
  })

  it('does not take another opening of the same door for its own', async () => {
    answersWith(opening('unanswered'))
    await openDoor(DOOR())
    correctOpening(opening('opened', { id: 'somebody-else' }))
    expect(doorView(DOOR()).phase).toBe('unanswered')
  })

  it('falls back to "no answer" when a command is never settled, and offers the next opening after a while', async () => {
    answersWith(opening('commanded'))
    await openDoor(DOOR())
    vi.advanceTimersByTime(8_000)
    expect(doorView(DOOR()).phase).toBe('unanswered')
    vi.advanceTimersByTime(9_000)
    expect(doorView(DOOR()).phase).toBe('idle')
  })

  it('pressed again while it opens asks nothing twice', async () => {
    let settle: (one: Opening) => void = () => undefined
    answers.push(() => new Promise((resolve) => (settle = resolve)))
    const first = openDoor(DOOR())
    await openDoor(DOOR())
    expect(wishes).toHaveLength(1)
    settle(opening('opened'))
    expect((await first).phase).toBe('opened')
  })

  it('repeats a wish whose answer was lost with the same key, and soon stops: no door opens for a forgotten tap', async () => {
    answers.push(() => Promise.reject(new UnreachableError()))
    answersWith(opening('opened'))
    const told = openDoor(DOOR())
    await vi.advanceTimersByTimeAsync(500)
    expect((await told).phase).toBe('opened')
    expect(wishes.map((wish) => wish.key)).toEqual(['key-0', 'key-0'])

    door += 1
    const silent = openDoor(DOOR())
    await vi.advanceTimersByTimeAsync(20_000)
    expect((await silent).phase).toBe('unreachable')
    const tries = wishes.length
    await vi.advanceTimersByTimeAsync(20_000)
    expect(wishes).toHaveLength(tries)
  })

  it('gives a refusal its reason', async () => {
    answers.push(() => Promise.reject(new ProblemError({ type: '/problems/access-denied', title: 'x', status: 403, reason: 'household_let' })))
    const view = await openDoor(DOOR())
    expect(view.phase).toBe('refused')
    expect(view.text).toContain('出租')
  })

  it('in a call asks in the name of the call, and shows there only what belongs to it', async () => {
    answersWith(opening('opened', { call_id: 'call-1' }))
    await openDoor(DOOR(), 'call-1')
    expect(wishes[0]?.body).toEqual({ call_id: 'call-1' })
    expect(doorViewInCall(DOOR(), 'call-1').phase).toBe('opened')
    expect(doorViewInCall(DOOR(), 'call-2').phase).toBe('idle')
  })
})
