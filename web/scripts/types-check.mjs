// Fails when src/shared/openapi.d.ts is not what ../docs/openapi.json makes today.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-types-'))
try {
  const fresh = join(folder, 'openapi.d.ts')
  execFileSync(process.execPath, [here('../node_modules/openapi-typescript/bin/cli.js'), here('../../docs/openapi.json'), '-o', fresh, '--default-non-nullable', 'false'], { stdio: ['ignore', 'ignore', 'inherit'] })
  if (readFileSync(fresh, 'utf8') !== readFileSync(here('../src/shared/openapi.d.ts'), 'utf8')) {
    console.error('src/shared/openapi.d.ts is stale: run `npm run types` in web/ after docs/openapi.json has changed.')
    process.exitCode = 1
  } else console.log('The pages\' types are those of docs/openapi.json.')
} finally {
  rmSync(folder, { recursive: true, force: true })
}
