/** The little of a browser that modules touch when they are imported. */
const kept = new Map<string, string>()
Object.assign(globalThis, {
  window: Object.assign(globalThis, { name: 'gh-test', addEventListener: () => undefined }),
  localStorage: {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  },
  location: { origin: 'http://localhost:8080', hash: '', href: 'http://localhost:8080/' },
})
if (!('navigator' in globalThis)) Object.assign(globalThis, { navigator: { language: 'zh-CN', userAgent: 'test' } })
export {}
