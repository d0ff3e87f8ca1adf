/**
 * The phones of the demo page: `#/demo/mum?lang=en&theme=dark`. A frame with a name of its own asks for an invitation and then
 * comes in by it like anybody else; outside the demo the service knows no such invitations.
 */
import { clientId } from '../shared/client'
import { send } from '../shared/http'
import { setLang } from '../shared/i18n'
import { setTheme } from '../shared/theme'
import { go, route } from './router'

/** Whom this frame plays, or null. */
function persona(): string | null {
  const [first, who] = route.value.parts
  return first === 'demo' && who && clientId !== 'main' ? who : null
}

/** Language and appearance as the demo page wants to show them off; a later choice in the app wins until the next reload. */
export function dressForDemo(): void {
  if (persona() === null) return
  const [lang, theme] = [route.value.query.get('lang'), route.value.query.get('theme')]
  if (lang === 'zh' || lang === 'en') setLang(lang)
  if (theme === 'light' || theme === 'dark') setTheme(theme)
}

/** Turns the demo address into the address of a fresh invitation; false when this is no demo address. */
export async function invitedByDemo(): Promise<boolean> {
  const who = persona()
  if (who === null) return false
  const { code, name } = await send<{ code: string; name: string }>('POST', '/demo/invitations', { body: { persona: who }, proof: false })
  go(`/join/${code}?name=${encodeURIComponent(name)}`, true)
  return true
}
