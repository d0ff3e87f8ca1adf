/*
 * The service worker of the pages: assets from the cache (their names carry their content's hash), pages from the network,
 * and without a network a page that says what still works. It never touches the API: no answer about a door or a call may
 * come from a cache.
 */
const CACHE = 'gatehouse-1'
const OFFLINE = '/offline'
const PAGE_PATIENCE_MS = 8000

const assetsOf = (html) => [...new Set(html.match(/\/(?:assets|icons)\/[\w.-]+/g) ?? [])]

/** Keeps a page's own assets, so that it can be shown whole without a network. */
async function keepPage(cache, address) {
  const response = await fetch(address, { cache: 'no-cache' })
  if (!response.ok) throw new Error(`${address}: ${response.status}`)
  const assets = assetsOf(await response.clone().text())
  await cache.addAll(assets.filter((asset) => asset !== address))
  await cache.put(address, response)
  return assets
}

self.addEventListener('install', (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => Promise.all([keepPage(cache, OFFLINE), fetch('/').then((r) => r.text()).then((html) => cache.addAll(assetsOf(html)))]))
      .then(() => self.skipWaiting()),
  )
})

self.addEventListener('activate', (event) => {
  const tidy = async () => {
    for (const name of await caches.keys()) if (name !== CACHE) await caches.delete(name)
    await self.clients.claim()
  }
  event.waitUntil(tidy())
})

/** After a new release: fetch what the new pages need and let go of what no page names any more. */
async function follow(html) {
  const cache = await caches.open(CACHE)
  const wanted = assetsOf(html)
  const kept = (await cache.keys()).map((request) => new URL(request.url).pathname)
  if (wanted.every((asset) => kept.includes(asset))) return
  const offlines = await keepPage(cache, OFFLINE)
  await cache.addAll(wanted)
  for (const path of kept) if (path !== OFFLINE && !wanted.includes(path) && !offlines.includes(path)) await cache.delete(path)
}

async function page(event) {
  try {
    const response = await fetch(event.request, { signal: AbortSignal.timeout(PAGE_PATIENCE_MS) })
    if (response.ok && new URL(event.request.url).pathname === '/') {
      const copy = response.clone()
      event.waitUntil(copy.text().then(follow).catch(() => undefined))
    }
    return response
  } catch {
    return (await caches.match(OFFLINE)) ?? Response.error()
  }
}

async function asset(request) {
  const kept = await caches.match(request)
  if (kept) return kept
  const response = await fetch(request)
  if (response.ok) {
    const cache = await caches.open(CACHE)
    await cache.put(request, response.clone())
  }
  return response
}

self.addEventListener('fetch', (event) => {
  const { request } = event
  const address = new URL(request.url)
  if (request.method !== 'GET' || address.origin !== self.location.origin) return
  if (request.mode === 'navigate') event.respondWith(page(event))
  else if (/^\/(assets|icons)\//.test(address.pathname)) event.respondWith(asset(request))
})
