/** How hard a password is to guess, roughly: enough for a hint while typing; the service has the last word. */

export const MIN_LENGTH = 10
export type Strength = 'short' | 'weak' | 'fair' | 'strong'

const COMMON = /password|qwert|asdf|zxcv|admin|1qaz|woaini|5201314|iloveyou|letmein|welcome|gatehouse|abc123|888888|666666/i

export function passwordStrength(password: string, others: string[] = []): Strength {
  if (password.length < MIN_LENGTH) return 'short'
  const lower = password.toLowerCase()
  const personal = others.some((one) => one.length >= 4 && lower.includes(one.toLowerCase()))
  const different = new Set(password).size
  if (COMMON.test(password) || personal || different < 6 || isRun(password)) return 'weak'
  const kinds = [/[a-z]/, /[A-Z]/, /\d/, /[^\w\s]|_/, /[^\u0000-\u007f]/].filter((kind) => kind.test(password)).length
  if (password.length >= 16 || (password.length >= 12 && kinds >= 3)) return 'strong'
  return kinds >= 2 ? 'fair' : 'weak'
}

/** More than half of it goes up or down by one, like 12345678 or hgfedcba. */
function isRun(text: string): boolean {
  let steps = 0
  for (let i = 1; i < text.length; i += 1) {
    if (Math.abs(text.charCodeAt(i) - text.charCodeAt(i - 1)) === 1) steps += 1
  }
  return steps > text.length / 2
}
