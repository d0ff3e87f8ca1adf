// Scores one page as Lighthouse's phone does, several times, and prints the medians as JSON:
//   node run.mjs ADDRESS RUNS        (CHROME_PATH names the browser)
import * as launcher from 'chrome-launcher'
import lighthouse from 'lighthouse'

const [address, runs] = [process.argv[2], Number(process.argv[3] ?? 3)]
const CATEGORIES = ['performance', 'accessibility', 'best-practices']
const chrome = await launcher.launch({
  chromeFlags: ['--headless=new', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
})
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
const seen = { scores: {}, failed: [] }
try {
  const results = []
  for (let n = 0; n < runs; n += 1) {
    const { lhr } = await lighthouse(address, { port: chrome.port, onlyCategories: CATEGORIES, output: 'json' })
    if (lhr.runtimeError) throw new Error(`${lhr.runtimeError.code}: ${lhr.runtimeError.message}`)
    results.push(lhr)
  }
  for (const name of CATEGORIES) {
    seen.scores[name] = Math.round(100 * median(results.map((one) => one.categories[name].score)))
    for (const { id } of results.at(-1).categories[name].auditRefs) {
      const audit = results.at(-1).audits[id]
      if (audit.score !== null && audit.score < 0.9) seen.failed.push(`${name}: ${audit.title}`)
    }
  }
} finally {
  chrome.kill()
}
console.log(JSON.stringify(seen))
