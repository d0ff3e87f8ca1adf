/** Addresses after the `#`: small enough not to need a router library. */
import { computed, nextTick, shallowRef, watch } from 'vue'

export interface Route {
  path: string
  parts: string[]
  query: URLSearchParams
}

function read(): Route {
  const [path = '', query = ''] = location.hash.replace(/^#\/?/, '').split('?')
  const parts = path.split('/').filter(Boolean).map(decode)
  return { path: `/${parts.join('/')}`, parts, query: new URLSearchParams(query) }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

export const route = shallowRef<Route>(read())
window.addEventListener('hashchange', () => (route.value = read()))

export const section = computed(() => route.value.parts[0] ?? 'home')

export function go(path: string, replace = false): void {
  if (replace) {
    history.replaceState(null, '', `#${path}`)
    route.value = read()
  } else location.hash = path
}

/** Moves focus and the reader to the heading of the page that has just opened, as a page load would. */
export function focusHeadingOnChange(): void {
  watch(
    () => route.value.path,
    async () => {
      await nextTick()
      window.scrollTo(0, 0)
      const heading = document.querySelector<HTMLElement>('main h1')
      heading?.setAttribute('tabindex', '-1')
      heading?.focus({ preventScroll: true })
    },
  )
}
