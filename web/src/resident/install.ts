/** Installing the page as an app, where the browser offers it. */
import { computed, shallowRef } from 'vue'
import { clientId, recall, remember } from '../shared/client'

interface InstallPrompt extends Event {
  prompt(): Promise<unknown>
}

const prompt = shallowRef<InstallPrompt | null>(null)
const refused = shallowRef(recall('install-refused') !== null)

/** Only true when pressing the button will really do something. */
export const canInstall = computed(() => prompt.value !== null && !refused.value)

/** An iPhone has no such button for pages: only the person can do it, so it is told how. */
export const canInstallByHand = computed(
  () => !refused.value && clientId === 'main' && /iPhone|iPad/.test(navigator.userAgent) && !matchMedia('(display-mode: standalone)').matches,
)

window.addEventListener('beforeinstallprompt', (event) => {
  event.preventDefault()
  prompt.value = event as InstallPrompt
})
window.addEventListener('appinstalled', () => (prompt.value = null))

export async function install(): Promise<void> {
  const offer = prompt.value
  prompt.value = null
  await offer?.prompt()
}

export function refuseInstall(): void {
  refused.value = true
  remember('install-refused', '1')
}

/** The frames of the demo are visitors in this browser: they leave no worker behind. */
export function registerServiceWorker(): void {
  if (!import.meta.env.PROD || clientId !== 'main' || !('serviceWorker' in navigator)) return
  window.addEventListener('load', () => void navigator.serviceWorker.register('/sw.js').catch(() => undefined))
}
