/** Two languages, Chinese first. Each page brings its own table; English must have exactly the keys Chinese has. */
import { ref, watchEffect } from 'vue'
import { recall, remember } from './client'

export type Lang = 'zh' | 'en'
export type Params = Record<string, string | number>

const remembered = recall('lang')
export const lang = ref<Lang>(
  remembered === 'zh' || remembered === 'en' ? remembered : /^en\b/i.test(navigator.language) ? 'en' : 'zh',
)

export function setLang(next: Lang): void {
  lang.value = next
  remember('lang', next)
}

/** Makes the `t` of one page. `{name}` in a text is replaced by the parameter of that name. */
export function defineMessages<const Z extends Record<string, string>>(zh: Z, en: Record<keyof Z, string>) {
  const tables: Record<Lang, Record<string, string>> = { zh, en }
  const t = (key: keyof Z & string, params?: Params): string =>
    (tables[lang.value][key] ?? key).replace(/\{(\w+)\}/g, (whole, name: string) => String(params?.[name] ?? whole))
  return Object.assign(t, { zh: zh as Record<string, string>, en: en as Record<string, string> })
}

if (typeof document !== 'undefined') {
  watchEffect(() => {
    document.documentElement.lang = lang.value === 'zh' ? 'zh-CN' : 'en'
  })
}

const locale = () => (lang.value === 'zh' ? 'zh-CN' : 'en-GB')

/** "21:04" in the reader's zone. */
export const clockTime = (iso: string | Date): string =>
  new Intl.DateTimeFormat(locale(), { hour: '2-digit', minute: '2-digit', hour12: false }).format(new Date(iso))

/** "11月22日" / "22 Nov"; with the year when it is not this one. */
export function calendarDay(iso: string | Date): string {
  const date = new Date(iso)
  const year = date.getFullYear() === new Date().getFullYear() ? undefined : 'numeric'
  return new Intl.DateTimeFormat(locale(), { year, month: lang.value === 'zh' ? 'long' : 'short', day: 'numeric' }).format(date)
}

/** "今天 21:04", "Yesterday 21:04", "22 Nov 21:04". */
export function moment(iso: string | Date, now: Date = new Date()): string {
  const date = new Date(iso)
  const days = Math.round((new Date(now).setHours(0, 0, 0, 0) - new Date(date).setHours(0, 0, 0, 0)) / 86_400_000)
  const day =
    days === 0 ? (lang.value === 'zh' ? '今天' : 'Today') : days === 1 ? (lang.value === 'zh' ? '昨天' : 'Yesterday') : calendarDay(date)
  return `${day} ${clockTime(date)}`
}
