/** The kiosk put together: protocol client, screen, media, camera and door, as one object that the page shows. */
import { computed, shallowRef } from 'vue'
import { ProblemError } from '../shared/http'
import { clientId, recall, remember } from '../shared/client'
import { Camera } from './camera'
import { StationClient } from './client'
import { Journal } from './journal'
import { signer, type StationRecord } from './keys'
import { StationMedia } from './media'
import { isActive, type HangupReason, type Moment, type StationCall, type StationConfig } from './protocol'
import { DrawnDoors, noRelay, relayFor, type DoorPort } from './relay'
import { canCall, initialScreen, reduce, type Screen, type ScreenEvent } from './screen'
import { openedChime, refusedTone, startRingBack, stopRingBack, wakeSound } from './sounds'
import { openSocket } from './wire'

export interface KioskOptions {
  /** A drawn visitor stands in for the camera. */
  demo: boolean
  mayUseCamera: boolean
  /** The server no longer knows this station's key, or the key is broken. */
  refused(slug: string): void
  /** The server knows the station, perhaps again. */
  accepted(): void
}

export class Kiosk {
  readonly screen = shallowRef<Screen>(initialScreen)
  readonly remote = shallowRef<MediaStream | null>(null)
  readonly voiceless = shallowRef(false)
  readonly nowMs = shallowRef(Date.now())
  readonly camera: Camera
  readonly secondsLeft = computed(() => {
    const until = this.screen.value.call?.talk_until
    return until ? Math.max(0, Math.round((Date.parse(until) - this.nowMs.value) / 1000)) : null
  })
  private readonly client: StationClient
  private readonly media: StationMedia
  private readonly drawn: DrawnDoors
  private readonly journal: Journal
  private relay: DoorPort = noRelay
  private reloadWanted = false
  private clock: ReturnType<typeof setInterval> | undefined

  constructor(record: StationRecord, options: KioskOptions) {
    this.journal = new Journal(localStorage, `gh-station-journal-${clientId}-${record.identity.station_id}`)
    this.drawn = new DrawnDoors((doorId, contact) => this.doorMoved(doorId, contact))
    this.client = new StationClient({
      identity: record.identity,
      sign: signer(record.keys),
      openWire: openSocket,
      journal: this.journal,
      pulse: (command) => this.relay.pulse(command),
      contactOf: (doorId) => this.relay.contactOf(doorId),
      listener: {
        link: (link, slug) => {
          this.happened({ type: 'link', link })
          if (link === 'refused') options.refused(slug ?? 'unknown')
          if (link === 'online') options.accepted()
        },
        config: (config) => this.apply(config),
        call: (call) => this.heardCall(call),
        signal: (message) => this.media.signal(message),
        opened: (command, result) => {
          this.happened({ type: 'opened', doorId: command.door_id, result: result.result, nowMs: this.client.serverNow() })
          if (result.result === 'opened') {
            openedChime()
            void this.sendPicture('opening', command.call_id, command.command_id)
          } else {
            refusedTone()
          }
        },
      },
    })
    this.camera = new Camera(() => this.client.serverNow(), options.demo ? 'visitor' : 'no-camera', options.mayUseCamera)
    this.media = new StationMedia({
      video: () => this.camera.track,
      microphone: async () => {
        const track = await this.camera.microphone()
        this.voiceless.value = track === null
        return track
      },
      send: (message) => void this.client.signal(message),
      remote: (stream) => (this.remote.value = stream === null ? null : new MediaStream(stream.getTracks())),
      failed: (callId) => void this.hangUp('media_failed', callId),
    })
    this.camera.onChange(() => this.media.videoChanged())
  }

  start(): void {
    // A drawn door is shut when the page comes up; the record must not stay with an open one.
    for (const doorId of this.journal.openDoors) this.client.doorEvent('door_closed', doorId, 'noticed_at_start')
    this.client.start()
    window.addEventListener('online', this.wake)
    this.clock = setInterval(() => this.tick(), 500)
  }

  stop(): void {
    clearInterval(this.clock)
    window.removeEventListener('online', this.wake)
    stopRingBack()
    this.media.closeAll()
    this.camera.stop()
    this.drawn.stop()
    this.client.stop()
  }

  key(key: string): void {
    wakeSound()
    // The camera warms up while the number is typed, so that the first ring already carries a picture.
    if (this.screen.value.link === 'online') void this.camera.start()
    this.happened({ type: 'key', key })
    this.restSoon()
  }

  backspace(): void {
    this.happened({ type: 'backspace' })
  }

  clear(): void {
    this.happened({ type: 'clear' })
  }

  dismiss(): void {
    this.happened({ type: 'dismiss' })
  }

  async call(): Promise<void> {
    const { dial } = this.screen.value
    if (!canCall(this.screen.value)) return
    wakeSound()
    void this.camera.start()
    this.happened({ type: 'placing' })
    try {
      const call = await this.client.press(dial)
      void this.sendPicture('press', call.id, null)
    } catch (error) {
      const slug = error instanceof ProblemError ? error.slug : 'unreachable'
      this.happened({ type: 'refused', slug, nowMs: this.client.serverNow() })
      refusedTone()
      this.restSoon()
    }
  }

  async hangUp(reason: HangupReason = 'visitor', callId = this.screen.value.call?.id): Promise<void> {
    if (!callId) return
    // Sound and pictures stop now, whatever the network makes of the news.
    this.media.closeAll()
    stopRingBack()
    await this.client.hangup(callId, reason)
  }

  /** The exit button inside the (drawn) door: it opens without asking anyone, and the server hears of it. */
  exitButton(doorId: string): void {
    wakeSound()
    const door = this.screen.value.config?.doors.find((one) => one.id === doorId)
    if (!door) return
    this.client.doorEvent('exit_button', doorId)
    this.drawn.release(doorId, door.hold_s)
  }

  private readonly wake = (): void => this.client.wake()

  private apply(config: StationConfig): void {
    this.media.iceServers = config.ice_servers
    this.relay = relayFor(config, this.drawn)
    if (config.relay.kind === 'agent' && config.relay.url) void this.checkPolicy(config.relay.url)
    this.happened({ type: 'config', config })
    for (const door of config.doors) {
      this.happened({ type: 'contact', doorId: door.id, contact: this.relay.contactOf(door.id) })
    }
  }

  /**
   * The page's content policy names the agents it may reach, as they were when the page was loaded. An agent named later is
   * blocked until the page is loaded again, which is done once, and only while nobody stands at the door.
   */
  private async checkPolicy(url: string): Promise<void> {
    if (recall('station-agent-reachable') === url) return
    const blocked = new Promise<boolean>((resolve) => {
      document.addEventListener('securitypolicyviolation', (event) => resolve(event.blockedURI.startsWith(url)), { once: true })
      setTimeout(() => resolve(false), 3_000)
    })
    // Relay 0 does not exist: the question alone shows whether the policy lets it out.
    await fetch(`${url}/relay/0/pulse`, { method: 'POST', mode: 'no-cors' }).catch(() => undefined)
    if (!(await blocked)) remember('station-agent-reachable', url)
    else if (sessionStorage.getItem('gh-policy-reload') !== url) {
      sessionStorage.setItem('gh-policy-reload', url)
      this.reloadWanted = true
    }
  }

  private heardCall(call: StationCall | null): void {
    // First of all: nothing may follow to a phone that is out of the call.
    this.media.follow(call)
    const before = this.screen.value
    this.happened({ type: 'call', call, nowMs: this.client.serverNow() })
    const { stage } = this.screen.value
    if (isActive(call)) {
      void this.camera.start()
      if (call.state === 'answered') {
        stopRingBack()
        if (before.stage !== 'talking') void this.sendPicture('answer', call.id, null)
      } else if (before.stage !== 'ringing') {
        startRingBack()
      }
    } else if (stage === 'outcome' && before.stage !== 'outcome') {
      this.over()
    }
  }

  private over(): void {
    stopRingBack()
    const reason = this.screen.value.outcome?.reason
    if (reason !== 'opened' && reason !== 'door_opened') refusedTone()
    this.restSoon()
  }

  private doorMoved(doorId: string, contact: 'open' | 'closed'): void {
    this.happened({ type: 'contact', doorId, contact })
    this.client.doorEvent(contact === 'open' ? 'door_opened' : 'door_closed', doorId)
  }

  private async sendPicture(moment: Moment, callId: string | null, commandId: string | null): Promise<void> {
    void this.camera.start()
    const at = new Date(this.client.serverNow()).toISOString()
    const jpeg = await this.camera.picture().catch(() => null)
    this.restSoon()
    const about = { moment, call_id: callId, command_id: commandId, at }
    await this.client.picture(jpeg ? { ...about, jpeg } : { ...about, missing: 'camera_failed' })
  }

  private restSoon(): void {
    const { stage } = this.screen.value
    if (stage === 'dial' || stage === 'outcome') this.camera.rest()
  }

  private tick(): void {
    this.nowMs.value = this.client.serverNow()
    const before = this.screen.value
    if (this.reloadWanted && before.stage === 'dial' && before.dial === '') location.reload()
    this.happened({ type: 'tick', nowMs: this.nowMs.value })
    if (before.call && !this.screen.value.call) {
      this.media.follow(null)
      this.over()
    }
  }

  private happened(event: ScreenEvent): void {
    this.screen.value = reduce(this.screen.value, event)
  }
}
