/** The page shown without a network: goes back to the real one as soon as the service answers. */
import '../shared/ui.css'
import './offline.css'
import { recall } from '../shared/client'

const LOOK_EVERY_MS = 5_000

const theme = recall('theme')
if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme

async function look() {
  try {
    const answer = await fetch('/healthz', { cache: 'no-store', signal: AbortSignal.timeout(4_000) })
    if (answer.ok) location.reload()
  } catch {
    // Still nothing; the next look comes by itself.
  }
}
document.getElementById('retry')?.addEventListener('click', () => void look())
window.addEventListener('online', () => void look())
// Opened by its own address there is nothing to go back to.
if (location.pathname !== '/offline') setInterval(() => void look(), LOOK_EVERY_MS)
