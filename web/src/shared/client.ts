/**
 * Who this page is. Several clients may live in one browser (the frames of the demo), and same-origin frames share every
 * storage but `window.name`; so all that a client keeps is kept under its own name.
 */
export const clientId: string = /^gh-[a-z0-9-]{1,32}$/.test(window.name) ? window.name : 'main'

const named = (key: string) => `${clientId}:${key}`

/** A remembered choice of this client, or null; never throws (storage may be forbidden). */
export function recall(key: string): string | null {
  try {
    return localStorage.getItem(named(key))
  } catch {
    return null
  }
}

/** Remembers a choice of this client; null forgets it. */
export function remember(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(named(key))
    else localStorage.setItem(named(key), value)
  } catch {
    // A browser that keeps nothing still works for this visit.
  }
}

/** What this device is called in the lists of devices: "Chrome · Android". */
export function deviceName(): string {
  const agent = navigator.userAgent
  const find = (pairs: [RegExp, string][], otherwise: string) => pairs.find(([re]) => re.test(agent))?.[1] ?? otherwise
  const system = find(
    [
      [/iPhone/, 'iPhone'],
      [/iPad/, 'iPad'],
      [/Android/, 'Android'],
      [/Windows/, 'Windows'],
      [/Mac OS X/, 'Mac'],
      [/Linux/, 'Linux'],
    ],
    'Web',
  )
  const browser = find(
    [
      [/MicroMessenger/, 'WeChat'],
      [/Edg\//, 'Edge'],
      [/Firefox\//, 'Firefox'],
      [/Chrome\//, 'Chrome'],
      [/Safari\//, 'Safari'],
    ],
    'Browser',
  )
  return `${browser} · ${system}`
}
