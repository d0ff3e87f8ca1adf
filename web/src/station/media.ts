/**
 * The station's half of WebRTC (protocol section 6): phones offer, the station answers, one peer connection per leg.
 *
 * A ringing phone gets a small picture and no sound. The answering one gets microphone and a bigger picture. Every other
 * peer is closed in the same turn in which the news arrives: nothing may follow to a phone that lost.
 */
import type { Problem } from '../shared/http'
import { isActive, type LegState, type SignalMessage, type StationCall } from './protocol'

interface Peer {
  connection: RTCPeerConnection
  leg: LegState
  video: RTCRtpSender | null
  audio: RTCRtpSender | null
  local: MediaStream
  remote: MediaStream
  /** Candidates that came before the description they belong to. */
  early: RTCIceCandidateInit[]
  described: boolean
}

export interface MediaPorts {
  video(): MediaStreamTrack | null
  /** The microphone; asked for when a leg is answered. */
  microphone(): Promise<MediaStreamTrack | null>
  send(message: SignalMessage): void
  /** The answering resident's sound and picture, or null when there is nobody any more. */
  remote(stream: MediaStream | null): void
  /** The path to the answering phone broke and did not come back. */
  failed(callId: string): void
}

const SMALL = { scaleResolutionDownBy: 2, maxFramerate: 10, maxBitrate: 180_000 }
const LARGE = { scaleResolutionDownBy: 1, maxFramerate: 24, maxBitrate: 1_200_000 }
const BROKEN_MS = 10_000
const HELD_SIGNALS = 128

export class StationMedia {
  iceServers: RTCIceServer[] = []
  private readonly peers = new Map<string, Peer>()
  /** Signals that overtook the call's state, by leg. */
  private readonly waiting = new Map<string, SignalMessage[]>()
  private call: StationCall | null = null

  constructor(
    private readonly ports: MediaPorts,
    private readonly makePeer: (configuration: RTCConfiguration) => RTCPeerConnection = (configuration) =>
      new RTCPeerConnection(configuration),
  ) {}

  /** Take over the state of the call; closes at once what no longer belongs to it. */
  follow(call: StationCall | null): void {
    this.call = isActive(call) ? call : null
    const legs = new Map((this.call?.legs ?? []).map((leg) => [leg.id, leg.state]))
    for (const [legId, peer] of this.peers) {
      const state = legs.get(legId)
      if (state !== 'ringing' && state !== 'answered') this.close(legId)
      else if (state === 'answered' && peer.leg === 'ringing') void this.promote(legId, peer)
    }
    for (const [legId, messages] of this.waiting) {
      if (this.call === null) this.waiting.delete(legId)
      else if (legs.has(legId)) {
        this.waiting.delete(legId)
        for (const message of messages) this.signal(message)
      }
    }
  }

  signal(message: SignalMessage): void {
    if (this.call === null || message.call_id !== this.call.id) return
    const state = this.call.legs.find((leg) => leg.id === message.leg_id)?.state
    if (state === undefined) {
      const held = this.waiting.get(message.leg_id) ?? []
      if (held.length < HELD_SIGNALS) this.waiting.set(message.leg_id, [...held, message])
    } else if (state === 'ringing' || state === 'answered') {
      if (message.description) void this.described(message, state)
      else if (message.candidate) void this.candidate(message.leg_id, message.candidate)
    }
  }

  /** Every phone gets another picture source: the camera came up, or went away. */
  videoChanged(): void {
    const track = this.ports.video()
    for (const peer of this.peers.values()) void peer.video?.replaceTrack(track).catch(() => undefined)
  }

  closeAll(): void {
    this.waiting.clear()
    for (const legId of [...this.peers.keys()]) this.close(legId)
  }

  get openPeers(): number {
    return this.peers.size
  }

  private async described(message: SignalMessage, leg: LegState): Promise<void> {
    const { call_id, leg_id, description } = message
    let peer = this.peers.get(leg_id)
    // A phone that came back after a reload offers from nothing: its old connection is of no use.
    if (peer && (peer.connection.signalingState !== 'stable' || !sameSession(peer, description))) {
      this.close(leg_id)
      peer = undefined
    }
    peer ??= this.open(leg_id, leg)
    const { connection } = peer
    try {
      await connection.setRemoteDescription(description as RTCSessionDescriptionInit)
      peer.described = true
      for (const transceiver of connection.getTransceivers()) {
        transceiver.direction = 'sendrecv'
        // One stream for both, so that the phone can put `event.streams[0]` straight into its video element.
        transceiver.sender.setStreams?.(peer.local)
        if (transceiver.receiver.track.kind === 'video') peer.video = transceiver.sender
        else peer.audio = transceiver.sender
      }
      await peer.video?.replaceTrack(this.ports.video())
      await connection.setLocalDescription()
      await shape(peer.video, peer.leg === 'answered' ? LARGE : SMALL)
    } catch (error) {
      if (!this.current(leg_id, peer)) return
      this.close(leg_id)
      this.ports.send({ call_id, leg_id, problem: malformed(error) })
      return
    }
    if (!this.current(leg_id, peer) || !connection.localDescription) return
    const { type, sdp } = connection.localDescription
    this.ports.send({ call_id, leg_id, description: { type, sdp } })
    for (const candidate of peer.early.splice(0)) await this.add(leg_id, peer, candidate)
    if (peer.leg === 'answered') await this.talk(leg_id, peer)
  }

  private async candidate(legId: string, candidate: RTCIceCandidateInit): Promise<void> {
    const peer = this.peers.get(legId) ?? this.open(legId, 'ringing')
    if (!peer.described) {
      if (peer.early.length < HELD_SIGNALS) peer.early.push(candidate)
      return
    }
    await this.add(legId, peer, candidate)
  }

  /** A candidate that cannot be used is said to be so; the connection goes on with the others. */
  private async add(legId: string, peer: Peer, candidate: RTCIceCandidateInit): Promise<void> {
    try {
      await peer.connection.addIceCandidate(candidate)
    } catch (error) {
      const callId = this.call?.id
      if (callId && this.current(legId, peer)) this.ports.send({ call_id: callId, leg_id: legId, problem: malformed(error) })
    }
  }

  private open(legId: string, leg: LegState): Peer {
    const callId = this.call?.id ?? ''
    const connection = this.makePeer({ iceServers: this.iceServers })
    const [local, remote] = [new MediaStream(), new MediaStream()]
    const peer: Peer = { connection, leg, video: null, audio: null, local, remote, early: [], described: false }
    this.peers.set(legId, peer)
    connection.onicecandidate = ({ candidate }) => {
      if (candidate?.candidate && this.current(legId, peer)) {
        this.ports.send({ call_id: callId, leg_id: legId, candidate: candidate.toJSON() })
      }
    }
    connection.ontrack = ({ track }) => {
      peer.remote.addTrack(track)
      // The section is there before the resident turns a camera on: the picture counts only once it moves.
      track.onunmute = track.onmute = () => {
        if (this.current(legId, peer) && peer.leg === 'answered') this.ports.remote(peer.remote)
      }
    }
    let broken: ReturnType<typeof setTimeout> | undefined
    connection.onconnectionstatechange = () => {
      clearTimeout(broken)
      const state = connection.connectionState
      if (state !== 'failed' && state !== 'disconnected') return
      broken = setTimeout(() => {
        if (this.current(legId, peer) && peer.leg === 'answered') this.ports.failed(callId)
      }, BROKEN_MS)
    }
    return peer
  }

  /** This phone has answered. */
  private async promote(legId: string, peer: Peer): Promise<void> {
    peer.leg = 'answered'
    if (peer.described && peer.connection.signalingState === 'stable') await this.talk(legId, peer)
  }

  private async talk(legId: string, peer: Peer): Promise<void> {
    this.ports.remote(peer.remote)
    void shape(peer.video, LARGE)
    const microphone = await this.ports.microphone()
    if (this.current(legId, peer)) await peer.audio?.replaceTrack(microphone).catch(() => undefined)
  }

  private close(legId: string): void {
    const peer = this.peers.get(legId)
    if (!peer) return
    this.peers.delete(legId)
    const { connection } = peer
    connection.onicecandidate = connection.ontrack = connection.onconnectionstatechange = null
    connection.close()
    if (peer.leg === 'answered') this.ports.remote(null)
  }

  private current(legId: string, peer: Peer): boolean {
    return this.peers.get(legId) === peer
  }
}

async function shape(sender: RTCRtpSender | null, encoding: typeof SMALL): Promise<void> {
  if (!sender) return
  const parameters = sender.getParameters()
  // Before the negotiation is over some browsers know no encoding yet; the picture is then full-sized until the answer.
  for (const one of parameters.encodings) Object.assign(one, encoding)
  await sender.setParameters(parameters).catch(() => undefined)
}

/** Whether an offer goes on with the connection we have: same DTLS fingerprint, so same peer connection of the phone. */
function sameSession(peer: Peer, description: RTCSessionDescriptionInit | undefined): boolean {
  const fingerprint = (sdp: string | undefined): string | undefined => /a=fingerprint:\S+ (\S+)/.exec(sdp ?? '')?.[1]
  const known = peer.connection.remoteDescription
  return known === null || fingerprint(known.sdp) === fingerprint(description?.sdp)
}

function malformed(error: unknown): Problem {
  const detail = error instanceof Error ? error.message.slice(0, 200) : 'not usable'
  return { type: '/problems/signal-malformed', title: 'Signal malformed', status: 400, detail }
}
