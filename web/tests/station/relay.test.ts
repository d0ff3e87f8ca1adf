import { afterEach, describe, expect, it, vi } from 'vitest'

import type { OpenCommand } from '../../src/station/protocol'
import { DrawnDoors, agentRelay, noRelay } from '../../src/station/relay'

const command: OpenCommand = {
  command_id: 'cmd1',
  door_id: 'd1',
  relay: 2,
  hold_s: 3,
  issued_at: '',
  expires_at: '',
  call_id: null,
  by: null,
}
const answer = (status: number, body: string): typeof fetch => vi.fn(() => Promise.resolve(new Response(body, { status })))

afterEach(() => vi.useRealTimers())

describe('the relay of an agent', () => {
  it('asks the agent for this relay, this command and this time', async () => {
    const request = answer(200, '{"result":"opened"}')
    expect(await agentRelay('http://127.0.0.1:9/', request).pulse(command)).toEqual({ result: 'opened', detail: null })
    const [url, init] = vi.mocked(request).mock.calls[0]!
    expect(url).toBe('http://127.0.0.1:9/relay/2/pulse')
    expect(JSON.parse(init!.body as string)).toEqual({ command_id: 'cmd1', hold_s: 3 })
  })

  it.each([
    ['a failure it names', answer(200, '{"result":"failed","detail":"no current"}'), 'no current'],
    ['an error', answer(500, '{"result":"opened"}'), 'the agent answered 500'],
    ['a page instead of an answer', answer(200, '<html>'), 'the agent answered 200'],
    ['a word nobody knows', answer(200, '{"result":"maybe"}'), 'the agent answered 200'],
    ['silence', vi.fn(() => Promise.reject(new TypeError('no'))) as typeof fetch, 'the agent of this station did not answer'],
  ])('never calls %s opened', async (_, request, detail) => {
    expect(await agentRelay('http://127.0.0.1:9', request).pulse(command)).toEqual({ result: 'failed', detail })
  })
})

describe('the drawn door', () => {
  it('opens, stays open for the time of the lock, and closes', async () => {
    vi.useFakeTimers()
    const moves: string[] = []
    const doors = new DrawnDoors((door, contact) => moves.push(`${door} ${contact}`))
    expect(doors.contactOf('d1')).toBe('closed')
    expect((await doors.pulse(command)).result).toBe('opened')
    expect(doors.contactOf('d1')).toBe('open')
    vi.advanceTimersByTime(2_000)
    await doors.pulse(command)
    vi.advanceTimersByTime(2_999)
    expect(moves).toEqual(['d1 open'])
    vi.advanceTimersByTime(1)
    expect(moves).toEqual(['d1 open', 'd1 closed'])
  })
})

it('a shorter second release does not shut the drawn door early', async () => {
  vi.useFakeTimers()
  const moves: string[] = []
  const doors = new DrawnDoors((_, contact) => moves.push(contact))
  await doors.pulse({ ...command, hold_s: 10 })
  await doors.pulse({ ...command, hold_s: 1 })
  vi.advanceTimersByTime(9_999)
  expect(moves).toEqual(['open'])
  vi.advanceTimersByTime(2)
  expect(moves).toEqual(['open', 'closed'])
})

it('a station without a relay never claims an opening', async () => {
  expect((await noRelay.pulse(command)).result).toBe('failed')
})
