/** Where the station's picture and sound come from: its camera and microphone, or a drawn scene that says what it is. */
import { shallowRef } from 'vue'
import { Scene, type SceneKind } from './scene'

export const MAX_PICTURE_BYTES = 256 * 1024
const PICTURE_WAIT_MS = 2_500
const IDLE_MS = 20_000

export type CameraState = 'off' | 'starting' | 'live' | 'none'

export class Camera {
  readonly state = shallowRef<CameraState>('off')
  /** What the visitor sees of themselves. */
  readonly view = shallowRef<MediaStream | null>(null)
  private scene: Scene | null = null
  private device: MediaStreamTrack | null = null
  private voice: MediaStreamTrack | null = null
  private readonly probe = document.createElement('video')
  private idle: ReturnType<typeof setTimeout> | undefined
  private changed: () => void = () => undefined

  constructor(
    private readonly clock: () => number,
    /** In the demo a drawn visitor stands in for a missing camera, and its pictures count. */
    private readonly standIn: SceneKind,
    private readonly mayUseDevice: boolean,
  ) {
    this.probe.muted = true
    this.probe.playsInline = true
  }

  get track(): MediaStreamTrack | null {
    return this.device ?? this.scene?.track ?? null
  }

  onChange(listener: () => void): void {
    this.changed = listener
  }

  /** Begins at once with the drawn scene, so that no ring waits for a permission; the camera takes over when it is there. */
  async start(): Promise<void> {
    clearTimeout(this.idle)
    if (this.state.value === 'starting' || this.state.value === 'live') return
    this.scene ??= new Scene(this.standIn, this.clock)
    this.show()
    if (!this.mayUseDevice || !navigator.mediaDevices) {
      this.state.value = 'none'
      return
    }
    this.state.value = 'starting'
    try {
      const stream = await navigator.mediaDevices.getUserMedia({
        video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 24, max: 30 } },
      })
      this.device = stream.getVideoTracks()[0] ?? null
      this.device?.addEventListener('ended', () => this.lost(), { once: true })
      this.state.value = this.device ? 'live' : 'none'
      this.scene?.stop()
      this.scene = null
    } catch {
      this.state.value = 'none'
    }
    this.show()
  }

  /** Lets camera and microphone go some time after the last call: a kiosk does not film an empty doorway. */
  rest(): void {
    clearTimeout(this.idle)
    this.hush()
    this.idle = setTimeout(() => this.stop(), IDLE_MS)
  }

  stop(): void {
    clearTimeout(this.idle)
    this.device?.stop()
    this.device = null
    this.scene?.stop()
    this.scene = null
    this.hush()
    this.state.value = 'off'
    this.show()
  }

  async microphone(): Promise<MediaStreamTrack | null> {
    if (this.voice?.readyState === 'live') return this.voice
    try {
      const stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
      })
      this.voice = stream.getAudioTracks()[0] ?? null
    } catch {
      this.voice = null
    }
    return this.voice
  }

  hush(): void {
    this.voice?.stop()
    this.voice = null
  }

  /** A JPEG of what the camera sees now; null when there is no camera (a drawn visitor counts, a "no camera" card does not). */
  async picture(): Promise<Uint8Array | null> {
    const deadline = performance.now() + PICTURE_WAIT_MS
    while (this.state.value === 'starting' && performance.now() < deadline) await pause(80)
    if (this.device) {
      while (this.probe.readyState < 2 && performance.now() < deadline) await pause(80)
      if (this.probe.readyState >= 2) return await jpeg(this.probe, this.probe.videoWidth, this.probe.videoHeight)
      return null
    }
    if (this.standIn !== 'visitor' || !this.scene) return null
    return await jpeg(this.scene.canvas, this.scene.canvas.width, this.scene.canvas.height)
  }

  private lost(): void {
    if (!this.device) return
    this.device = null
    this.scene = new Scene(this.standIn, this.clock)
    this.state.value = 'none'
    this.show()
  }

  private show(): void {
    const track = this.track
    this.view.value = track ? new MediaStream([track]) : null
    this.probe.srcObject = this.device ? this.view.value : null
    if (this.device) void this.probe.play().catch(() => undefined)
    this.changed()
  }
}

async function jpeg(source: CanvasImageSource, width: number, height: number): Promise<Uint8Array | null> {
  const canvas = document.createElement('canvas')
  const scale = Math.min(1, 640 / width)
  canvas.width = Math.round(width * scale)
  canvas.height = Math.round(height * scale)
  canvas.getContext('2d')?.drawImage(source, 0, 0, canvas.width, canvas.height)
  for (const quality of [0.8, 0.5, 0.25]) {
    const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/jpeg', quality))
    if (blob && blob.size <= MAX_PICTURE_BYTES) return new Uint8Array(await blob.arrayBuffer())
  }
  return null
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
