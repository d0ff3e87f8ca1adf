/**
 * The ring tone, synthesised: a soft two-note door chime. Browsers keep pages silent until the first touch, so a tone may
 * be "blocked"; the page then says so instead of pretending to ring.
 */
import { ref } from 'vue'

let context: AudioContext | null = null
let timer: ReturnType<typeof setInterval> | null = null
let output: GainNode | null = null

/** The tone should sound now, but the browser waits for a touch. */
export const toneBlocked = ref(false)

const PERIOD_MS = 2_600
const VIBRATION = [400, 200, 400, 1_200]

function judge() {
  toneBlocked.value = timer !== null && context !== null && context.state !== 'running'
}

/** Call once at start: the first touch or key anywhere allows sound from then on. */
export function unlockSoundOnFirstTouch(): void {
  const unlock = () => {
    context ??= new AudioContext()
    context.onstatechange = judge
    void context.resume().then(judge)
  }
  for (const kind of ['pointerdown', 'keydown'] as const) window.addEventListener(kind, unlock, { capture: true, passive: true })
}

function strike(at: number, hertz: number, seconds: number) {
  if (!context || !output) return
  for (const [multiple, loudness] of [[1, 0.5], [2, 0.16], [3.01, 0.05]] as const) {
    const tone = context.createOscillator()
    const envelope = context.createGain()
    tone.type = 'sine'
    tone.frequency.value = hertz * multiple
    envelope.gain.setValueAtTime(0, at)
    envelope.gain.linearRampToValueAtTime(loudness, at + 0.012)
    envelope.gain.exponentialRampToValueAtTime(0.0006, at + seconds)
    tone.connect(envelope).connect(output)
    tone.start(at)
    tone.stop(at + seconds)
  }
}

function chime() {
  if (context?.state === 'running') {
    const now = context.currentTime + 0.03
    strike(now, 659.26, 1.1)
    strike(now + 0.42, 523.25, 1.5)
    strike(now + 1.0, 659.26, 1.0)
  }
  if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.(VIBRATION)
}

export function startRinging(): void {
  if (timer !== null) return
  context ??= new AudioContext()
  context.onstatechange = () => {
    judge()
    if (context?.state === 'running' && timer !== null) chime()
  }
  output = context.createGain()
  output.gain.value = 0.5
  output.connect(context.destination)
  timer = setInterval(chime, PERIOD_MS)
  void context.resume().then(judge)
  // resume() stays pending where it is not allowed.
  setTimeout(judge, 150)
  chime()
}

/** Silence at once, mid-note. */
export function stopRinging(): void {
  if (timer === null) return
  clearInterval(timer)
  timer = null
  output?.disconnect()
  output = null
  navigator.vibrate?.(0)
  judge()
}
