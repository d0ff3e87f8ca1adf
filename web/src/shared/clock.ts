/** The server's clock as this page knows it: phones' clocks are wrong, deadlines must not be. */
let offsetMs = 0

export const serverNow = (): number => Date.now() + offsetMs

/** Takes the offset from a time the server has just said. */
export function noteServerTime(iso: string): void {
  const said = Date.parse(iso)
  if (Number.isFinite(said)) offsetMs = said - Date.now()
}

export const clockOffsetMs = (): number => offsetMs
