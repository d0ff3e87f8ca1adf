/** Light, dark, or as the system says; remembered per client, set on <html data-theme>. */
import { ref, watchEffect } from 'vue'
import { recall, remember } from './client'

export type Theme = 'system' | 'light' | 'dark'

const remembered = recall('theme')
export const theme = ref<Theme>(remembered === 'light' || remembered === 'dark' ? remembered : 'system')

watchEffect(() => {
  const root = document.documentElement
  if (theme.value === 'system') delete root.dataset.theme
  else root.dataset.theme = theme.value
})

export function setTheme(next: Theme): void {
  theme.value = next
  remember('theme', next === 'system' ? null : next)
}
