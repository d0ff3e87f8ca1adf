import { beforeEach, describe, expect, it, vi } from 'vitest'
import { StationMedia } from '../../src/station/media'
import type { LegState, SignalMessage, StationCall } from '../../src/station/protocol'

/** A sender as far as the station uses it; it remembers what it was told to send. */
class Sender {
  track: unknown = null
  encodings: Record<string, number>[] = [{}]
  replaceTrack = (track: unknown): Promise<void> => Promise.resolve(void (this.track = track))
  getParameters = () => ({ encodings: this.encodings })
  setParameters = (): Promise<void> => Promise.resolve()
  setStreams = (): void => undefined
}

class Peer {
  closed = false
  signalingState = 'stable'
  connectionState = 'new'
  onconnectionstatechange: (() => void) | null = null
  onicecandidate: unknown = null
  ontrack: unknown = null
  remoteDescription: { sdp: string } | null = null
  localDescription: { type: string; sdp: string } | null = null
  candidates: unknown[] = []
  readonly audio = new Sender()
  readonly video = new Sender()
  transceivers = [
    { direction: 'recvonly', sender: this.audio, receiver: { track: { kind: 'audio' } } },
    { direction: 'recvonly', sender: this.video, receiver: { track: { kind: 'video' } } },
  ]
  getTransceivers = () => this.transceivers
  setRemoteDescription = async (description: { sdp: string }): Promise<void> => {
    if (description.sdp === 'nonsense') throw new Error('Failed to parse SessionDescription')
    this.remoteDescription = description
  }
  setLocalDescription = async (): Promise<void> => void (this.localDescription = { type: 'answer', sdp: 'answer' })
  addIceCandidate = async (candidate: unknown): Promise<void> => void this.candidates.push(candidate)
  close = (): void => void (this.closed = true)
}

const call = (legs: Record<string, LegState>, change: Partial<StationCall> = {}): StationCall => ({
  id: 'c1',
  version: 1,
  state: 'ringing',
  dial: '1201',
  placed_at: '',
  expires_at: '',
  talk_until: null,
  answered_at: null,
  answered_leg_id: null,
  ended_at: null,
  end_reason: null,
  legs: Object.entries(legs).map(([id, state]) => ({ id, state })),
  ...change,
})

let peers: Peer[]
let sent: SignalMessage[]
let remotes: unknown[]
let failed: string[]
let microphones: number
let media: StationMedia
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve()
}
const offer = (leg_id: string, sdp = `a=fingerprint:sha-256 ${leg_id}`): SignalMessage => ({
  call_id: 'c1',
  leg_id,
  description: { type: 'offer', sdp },
})

beforeEach(() => {
  vi.stubGlobal(
    'MediaStream',
    class {
      addTrack(): void {}
    },
  )
  peers = []
  sent = []
  remotes = []
  failed = []
  microphones = 0
  media = new StationMedia(
    {
      video: () => 'camera' as unknown as MediaStreamTrack,
      microphone: () => Promise.resolve(((microphones += 1), 'microphone') as unknown as MediaStreamTrack),
      send: (message) => sent.push(message),
      remote: (stream) => remotes.push(stream),
      failed: (callId) => failed.push(callId),
    },
    () => {
      const peer = new Peer()
      peers.push(peer)
      return peer as unknown as RTCPeerConnection
    },
  )
})

describe('while it rings', () => {
  it('sends every phone a small picture and no sound', async () => {
    media.follow(call({ mum: 'ringing', son: 'ringing' }))
    media.signal(offer('mum'))
    media.signal(offer('son'))
    await settle()
    expect(sent.map((one) => [one.leg_id, one.description?.type])).toEqual([
      ['mum', 'answer'],
      ['son', 'answer'],
    ])
    for (const peer of peers) {
      expect(peer.video.track).toBe('camera')
      expect(peer.video.encodings[0]).toMatchObject({ scaleResolutionDownBy: 2, maxFramerate: 10 })
      expect(peer.audio.track).toBeNull()
      expect(peer.transceivers.map((one) => one.direction)).toEqual(['sendrecv', 'sendrecv'])
    }
    expect(microphones).toBe(0)
    expect(remotes).toEqual([])
  })

  it('keeps signals that overtook the call, and candidates that overtook the offer', async () => {
    media.follow(call({}))
    media.signal({ call_id: 'c1', leg_id: 'mum', candidate: { candidate: 'early' } })
    media.signal(offer('mum'))
    media.follow(call({ mum: 'ringing' }, { version: 2 }))
    await settle()
    expect(peers).toHaveLength(1)
    expect(peers[0]!.candidates).toEqual([{ candidate: 'early' }])
  })

  it('takes no signals of another call or of a leg that is out', async () => {
    media.follow(call({ mum: 'declined' }))
    media.signal(offer('mum'))
    media.signal({ ...offer('mum'), call_id: 'c0' })
    await settle()
    expect(peers).toEqual([])
  })

  it('answers nonsense with a problem and serves the next good offer', async () => {
    media.follow(call({ mum: 'ringing' }))
    media.signal(offer('mum', 'nonsense'))
    await settle()
    expect(sent[0]?.problem).toMatchObject({ type: '/problems/signal-malformed', status: 400 })
    expect(peers[0]!.closed).toBe(true)
    media.signal(offer('mum'))
    await settle()
    expect(sent[1]?.description?.type).toBe('answer')
  })

  it('replaces the connection of a phone that was loaded again', async () => {
    media.follow(call({ mum: 'ringing' }))
    media.signal(offer('mum'))
    await settle()
    media.signal(offer('mum', 'a=fingerprint:sha-256 other'))
    await settle()
    expect(peers.map((one) => one.closed)).toEqual([true, false])
  })
})

describe('the answer', () => {
  it('closes the losers in the same turn and gives the winner sound and a larger picture', async () => {
    media.follow(call({ mum: 'ringing', son: 'ringing' }))
    media.signal(offer('mum'))
    media.signal(offer('son'))
    await settle()
    media.follow(call({ mum: 'completed_elsewhere', son: 'answered' }, { version: 2, state: 'answered' }))
    expect(peers.map((one) => one.closed)).toEqual([true, false])
    await settle()
    expect(peers[1]!.audio.track).toBe('microphone')
    expect(peers[1]!.video.encodings[0]).toMatchObject({ scaleResolutionDownBy: 1 })
    expect(remotes).toHaveLength(1)
    expect(media.openPeers).toBe(1)
  })

  it.each(['declined', 'ended', 'completed_elsewhere'] as const)('a leg that is %s has no peer any more', async (state) => {
    media.follow(call({ mum: 'ringing', son: 'ringing' }))
    media.signal(offer('mum'))
    await settle()
    media.follow(call({ mum: state, son: 'ringing' }, { version: 2 }))
    expect(peers[0]!.closed).toBe(true)
  })

  it('closes everything when the call is over, also a connection that is just being made', async () => {
    media.follow(call({ mum: 'ringing' }))
    media.signal(offer('mum'))
    media.follow(call({ mum: 'ended' }, { version: 2, state: 'ended' }))
    await settle()
    expect(peers[0]!.closed).toBe(true)
    expect(sent).toEqual([])
    expect(media.openPeers).toBe(0)
  })

  it('says that the talk broke only when the path stays away', async () => {
    vi.useFakeTimers()
    media.follow(call({ mum: 'answered' }, { state: 'answered' }))
    media.signal(offer('mum'))
    await settle()
    const peer = peers[0]!
    peer.connectionState = 'disconnected'
    peer.onconnectionstatechange?.()
    vi.advanceTimersByTime(9_000)
    peer.connectionState = 'connected'
    peer.onconnectionstatechange?.()
    vi.advanceTimersByTime(20_000)
    expect(failed).toEqual([])
    peer.connectionState = 'failed'
    peer.onconnectionstatechange?.()
    vi.advanceTimersByTime(10_001)
    expect(failed).toEqual(['c1'])
    vi.useRealTimers()
  })
})
