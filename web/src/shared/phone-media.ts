/**
 * Sound and picture of one call on the phone's side. The phone offers (audio and video, both ways, no track yet), so that
 * everything is connected while it rings; answering only puts the microphone into a sender that is already there.
 */
import { shallowRef } from 'vue'

export type MediaPhase = 'connecting' | 'connected' | 'interrupted' | 'failed'
export type MicPhase = 'off' | 'asking' | 'on' | 'muted' | 'refused' | 'missing'

export interface SignalMessage {
  call_id: string
  description?: RTCSessionDescriptionInit
  candidate?: RTCIceCandidateInit
  problem?: { title?: string; detail?: string }
}

export interface PhoneMediaOptions {
  callId: string
  iceServers: () => Promise<RTCIceServer[]>
  send: (message: SignalMessage) => Promise<unknown>
}

const MOST_TRIES = 3
const MICROPHONE: MediaTrackConstraints = { echoCancellation: true, noiseSuppression: true, autoGainControl: true }

export class PhoneMedia {
  readonly phase = shallowRef<MediaPhase>('connecting')
  readonly mic = shallowRef<MicPhase>('off')
  readonly camera = shallowRef<MediaStream | null>(null)
  readonly cameraProblem = shallowRef(false)
  /** The door's picture and its sound, new objects at each new connection; apart, for a player waits for a first frame. */
  readonly remote = shallowRef<MediaStream | null>(null)
  readonly sound = shallowRef<MediaStream | null>(null)

  private peer: RTCPeerConnection | null = null
  private waiting: RTCIceCandidateInit[] = []
  private micTrack: MediaStreamTrack | null = null
  private tries = 0
  private retry: ReturnType<typeof setTimeout> | undefined
  private closed = false

  constructor(private readonly options: PhoneMediaOptions) {}

  /** Connects; called while the phone rings, so that an answer finds everything ready. */
  async start(): Promise<void> {
    if (this.closed || this.peer) return
    this.tries++
    this.phase.value = 'connecting'
    const iceServers = await this.options.iceServers()
    if (this.closed || this.peer) return
    const peer = new RTCPeerConnection({ iceServers })
    this.peer = peer
    this.waiting = []
    let offered = false
    const early: RTCIceCandidateInit[] = []
    const tell = (candidate: RTCIceCandidateInit) => void this.options.send({ call_id: this.options.callId, candidate }).catch(() => undefined)

    peer.onicecandidate = ({ candidate }) => {
      if (!candidate?.candidate) return
      if (offered) tell(candidate.toJSON())
      else early.push(candidate.toJSON())
    }
    peer.ontrack = ({ track }) => {
      const from = track.kind === 'audio' ? this.sound : this.remote
      from.value = new MediaStream([track])
    }
    peer.onconnectionstatechange = () => {
      if (this.peer !== peer) return
      if (peer.connectionState === 'connected') {
        this.tries = 0
        this.phase.value = 'connected'
      } else if (peer.connectionState === 'disconnected') this.phase.value = 'interrupted'
      else if (peer.connectionState === 'failed') this.again()
    }
    const audio = peer.addTransceiver('audio', { direction: 'sendrecv' })
    const video = peer.addTransceiver('video', { direction: 'sendrecv' })
    // After a reconnection in mid-talk the new senders carry on with what was on before.
    if (this.micTrack) void audio.sender.replaceTrack(this.micTrack)
    const cameraTrack = this.camera.value?.getVideoTracks()[0]
    if (cameraTrack) void video.sender.replaceTrack(cameraTrack)
    try {
      await peer.setLocalDescription()
      if (this.closed || this.peer !== peer) return
      const { type, sdp } = peer.localDescription!
      const sent = this.options.send({ call_id: this.options.callId, description: { type, sdp } })
      offered = true
      early.forEach(tell)
      await sent
    } catch {
      if (this.peer === peer) this.again()
    }
  }

  private again() {
    this.drop()
    if (this.closed) return
    if (this.tries >= MOST_TRIES) {
      this.phase.value = 'failed'
      return
    }
    this.phase.value = 'interrupted'
    this.retry = setTimeout(() => void this.start(), 600 * this.tries)
  }

  private drop() {
    clearTimeout(this.retry)
    const peer = this.peer
    this.peer = null
    if (!peer) return
    peer.onicecandidate = peer.ontrack = peer.onconnectionstatechange = null
    peer.close()
  }

  /** Tries again from the beginning, when the person asks or the line to the service is back. */
  restart(): void {
    if (this.closed) return
    this.tries = 0
    this.drop()
    void this.start()
  }

  /** After the line to the service was lost: signals may be missing, so an unfinished connection starts over. */
  resumeAfterReconnect(): void {
    if (this.peer?.connectionState !== 'connected') this.restart()
  }

  async hear(message: SignalMessage): Promise<void> {
    const peer = this.peer
    if (!peer || message.call_id !== this.options.callId) return
    try {
      if (message.problem) this.again()
      else if (message.description) {
        if (peer.signalingState !== 'have-local-offer') return
        await peer.setRemoteDescription(message.description)
        for (const candidate of this.waiting.splice(0)) await peer.addIceCandidate(candidate)
      } else if (message.candidate) {
        if (peer.remoteDescription) await peer.addIceCandidate(message.candidate)
        else this.waiting.push(message.candidate)
      }
    } catch {
      if (message.description && this.peer === peer) this.again()
    }
  }

  private sender(kind: 'audio' | 'video'): RTCRtpSender | undefined {
    return this.peer?.getTransceivers().find((one) => one.receiver.track.kind === kind)?.sender
  }

  /** Asks for the microphone and talks with it; refused or missing, the call goes on listening only. */
  async openMic(): Promise<void> {
    if (this.micTrack || this.mic.value === 'asking') return
    if (!navigator.mediaDevices) {
      this.mic.value = 'missing'
      return
    }
    this.mic.value = 'asking'
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: MICROPHONE })
      const track = stream.getAudioTracks()[0]
      if (this.closed || !track) {
        stream.getTracks().forEach((one) => one.stop())
        return
      }
      this.micTrack = track
      track.onended = () => (this.mic.value = 'missing')
      await this.sender('audio')?.replaceTrack(track)
      this.mic.value = 'on'
    } catch (problem) {
      this.mic.value = problem instanceof DOMException && problem.name === 'NotAllowedError' ? 'refused' : 'missing'
    }
  }

  setMuted(muted: boolean): void {
    if (!this.micTrack) return
    this.micTrack.enabled = !muted
    this.mic.value = muted ? 'muted' : 'on'
  }

  /** The resident's own camera: off until asked for, and really off (no light) when turned off. */
  async setCamera(on: boolean): Promise<void> {
    this.cameraProblem.value = false
    if (!on) {
      await this.sender('video')?.replaceTrack(null)
      this.camera.value?.getTracks().forEach((track) => track.stop())
      this.camera.value = null
      return
    }
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'user', width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 20 } } })
      if (this.closed) {
        stream.getTracks().forEach((track) => track.stop())
        return
      }
      await this.sender('video')?.replaceTrack(stream.getVideoTracks()[0] ?? null)
      this.camera.value = stream
    } catch {
      this.cameraProblem.value = true
    }
  }

  close(): void {
    this.closed = true
    this.drop()
    this.micTrack?.stop()
    this.camera.value?.getTracks().forEach((track) => track.stop())
    this.camera.value = null
    this.remote.value = this.sound.value = null
  }
}
