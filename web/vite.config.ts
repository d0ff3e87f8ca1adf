import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** One HTML file per page; the service picks the file by address, so no page knows another's script. */
const pages = ['resident', 'station', 'setup', 'demo', 'docs', 'offline']
  .map((name) => [name, here(`./${name}.html`)] as const)
  .filter(([, file]) => existsSync(file))

const backend = process.env.GATEHOUSE_DEV_BACKEND ?? 'http://127.0.0.1:8080'

const out = here('../backend/static/app')

/** Compressed once here (`x.js.gz` beside `x.js`), so that the service need not do it for every phone. */
const compressed = {
  name: 'compressed',
  apply: 'build' as const,
  closeBundle() {
    for (const entry of readdirSync(out, { recursive: true, encoding: 'utf8' })) {
      if (!/\.(js|css|html|svg|webmanifest)$/.test(entry)) continue
      const whole = readFileSync(join(out, entry))
      const small = gzipSync(whole, { level: 9 })
      if (small.length < whole.length * 0.9) writeFileSync(join(out, `${entry}.gz`), small)
    }
  },
}

export default defineConfig({
  plugins: [vue(), compressed],
  base: '/',
  define: { __VUE_OPTIONS_API__: 'false', __VUE_PROD_DEVTOOLS__: 'false', __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'false' },
  build: {
    outDir: out,
    emptyOutDir: true,
    assetsDir: 'assets',
    // The content security policy allows no data: addresses, so nothing may be inlined.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2022',
    rolldownOptions: { input: Object.fromEntries(pages) },
  },
  server: {
    host: '127.0.0.1',
    proxy: {
      '/api': backend,
      '/healthz': backend,
      '/socket.io': { target: backend, ws: true },
    },
  },
  test: { include: ['tests/**/*.test.ts'], environment: 'node', setupFiles: ['tests/browser-globals.ts'] },
})
