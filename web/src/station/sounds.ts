/** The station's tones, made on the spot: a key click, the ring-back the visitor hears, the chime of an opened door. */
let context: AudioContext | null = null
let ringing: ReturnType<typeof setInterval> | undefined

function tone(frequency: number, startS: number, lengthS: number, volume: number): void {
  if (!context) return
  const oscillator = context.createOscillator()
  const gain = context.createGain()
  const from = context.currentTime + startS
  oscillator.frequency.value = frequency
  gain.gain.setValueAtTime(0, from)
  gain.gain.linearRampToValueAtTime(volume, from + 0.02)
  gain.gain.setValueAtTime(volume, from + Math.max(lengthS - 0.05, 0.02))
  gain.gain.linearRampToValueAtTime(0, from + lengthS)
  oscillator.connect(gain).connect(context.destination)
  oscillator.start(from)
  oscillator.stop(from + lengthS + 0.02)
}

/** To be called in a press of a key: browsers let a page make sound only after one. */
export function wakeSound(): void {
  try {
    context ??= new AudioContext()
    if (context.state === 'suspended') void context.resume()
  } catch {
    context = null
  }
}

export function click(): void {
  wakeSound()
  tone(880, 0, 0.05, 0.04)
}

/** 450 Hz, one second in five: the ring-back tone people here know from the telephone. */
export function startRingBack(): void {
  stopRingBack()
  const once = (): void => tone(450, 0, 1, 0.06)
  once()
  ringing = setInterval(once, 5_000)
}

export function stopRingBack(): void {
  clearInterval(ringing)
  ringing = undefined
}

export function openedChime(): void {
  tone(660, 0, 0.18, 0.07)
  tone(880, 0.16, 0.18, 0.07)
  tone(1320, 0.32, 0.35, 0.06)
}

export function refusedTone(): void {
  tone(320, 0, 0.18, 0.06)
  tone(260, 0.22, 0.3, 0.06)
}
