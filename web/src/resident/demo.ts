/** A frame of the demo page: `/#/demo/<persona>?lang=&theme=` signs in by itself, with a real invitation, and says so. */
import type { DemoInvitation } from '../shared/api-types'
import { send } from '../shared/api'
import { clientId, recall, remember } from '../shared/client'
import { setLang } from '../shared/i18n'
import { setTheme } from '../shared/theme'
import { route } from './router'

const PERSONAS = ['mum', 'dad', 'son', 'daughter', 'grandma']
const PLACE = 'demo-persona'

/** Whose phone this frame is, or null: only frames (and windows) named by the demo page are anybody's. */
export function persona(): string | null {
  const known = recall(PLACE)
  return clientId !== 'main' && known && PERSONAS.includes(known) ? known : null
}

/** Takes over from the address whose phone this is; a language or theme chosen in the frame before stays. */
export function takePersona(): void {
  const [first, name] = route.value.parts
  if (first !== 'demo' || clientId === 'main' || !name || !PERSONAS.includes(name)) return
  remember(PLACE, name)
  const { query } = route.value
  const lang = query.get('lang')
  const theme = query.get('theme')
  if (recall('lang') === null && (lang === 'zh' || lang === 'en')) setLang(lang)
  if (recall('theme') === null && (theme === 'light' || theme === 'dark')) setTheme(theme)
}

export const invitationFor = (name: string): Promise<DemoInvitation> => send('POST', '/demo/invitations', { body: { persona: name }, proof: false })
