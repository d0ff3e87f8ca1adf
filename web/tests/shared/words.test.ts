import { readdirSync, readFileSync } from 'node:fs'
import { beforeEach, describe, expect, it } from 'vitest'
import { lang } from '../../src/shared/i18n'
import { END_REASONS, endReason, failure, missingPicture, words } from '../../src/shared/words'
import { ProblemError, UnreachableError } from '../../src/shared/http'
import { t as resident } from '../../src/resident/messages'
import { t as residentCall } from '../../src/resident/messages-call'
import { t as residentPages } from '../../src/resident/messages-pages'
import { denial } from '../../src/resident/openings'

const tables = { words, resident, residentCall, residentPages }

describe.each(Object.entries(tables))('the table %s', (_name, table) => {
  it('has the same keys in both languages, none of them empty', () => {
    expect(Object.keys(table.en).sort()).toEqual(Object.keys(table.zh).sort())
    for (const text of [...Object.values(table.zh), ...Object.values(table.en)]) expect(text.trim()).not.toBe('')
  })

  it('uses the same parameters in both languages', () => {
    const names = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort()
    for (const key of Object.keys(table.zh)) expect([key, names(table.en[key] ?? '')]).toEqual([key, names(table.zh[key] ?? '')])
  })

  it('has no Chinese left in English', () => {
    for (const [key, text] of Object.entries(table.en)) expect(text, key).not.toMatch(/\p{Script=Han}/u)
  })
})

describe('the glossary', () => {
  it('names the buttons as a person would', () => {
    expect([residentCall.zh['call.answer'], residentCall.zh['call.decline'], residentCall.zh['call.hang_up'], resident.zh['door.open']]).toEqual(['接听', '拒绝', '挂断', '开门'])
    expect([residentCall.en['call.answer'], residentCall.en['call.decline'], residentCall.en['call.hang_up'], resident.en['door.open']]).toEqual(['Answer', 'Decline', 'Hang up', 'Open door'])
  })

  it('keeps no word that no page uses', () => {
    const files = ['resident', 'shared'].flatMap((folder) => readdirSync(`src/${folder}`, { recursive: true }).map((file) => `src/${folder}/${String(file)}`))
    const source = files.filter((file) => /\.(ts|vue)$/.test(file) && !/messages|words\.ts/.test(file)).map((file) => readFileSync(file, 'utf8')).join('')
    // Keys made of a prefix and a value are used through their prefix.
    const made = ['me.owner', 'me.family', 'me.tenant']
    const unused = [resident, residentCall, residentPages].flatMap((table) => Object.keys(table.zh)).filter((key) => !source.includes(`'${key}'`) && !made.includes(key))
    expect(unused).toEqual([])
  })
})

describe.each(['zh', 'en'] as const)('in %s', (language) => {
  beforeEach(() => {
    lang.value = language
  })

  it('every end has a sentence of its own', () => {
    const sentences = END_REASONS.map(endReason)
    expect(new Set(sentences).size).toBe(END_REASONS.length)
    for (const sentence of sentences) expect(sentence).not.toBe(endReason(null))
    expect(endReason('something_new')).toBe(endReason(null))
  })

  it('every end reason of the station protocol is known here', () => {
    const page = readFileSync('../docs/station-protocol.md', 'utf8')
    const list = page.slice(page.indexOf('End reasons:'), page.indexOf('What a station shows'))
    const named = [...list.matchAll(/`([a-z_]+)`/g)].map((match) => match[1])
    expect(named.sort()).toEqual([...END_REASONS].sort())
  })

  it('every reason of the rules of a door has a sentence', () => {
    const rules = readFileSync('../backend/access_rules.py', 'utf8')
    const refusals = [...rules.matchAll(/^ {4}[A-Z_]+ = "([a-z_]+)"$/gm)].map((match) => match[1]).filter((reason) => reason !== 'resident' && reason !== 'resident_in_call')
    expect(refusals.length).toBeGreaterThan(4)
    for (const reason of refusals) expect([reason, denial(reason)]).not.toEqual([reason, denial('something new')])
  })

  it('a missing picture says why, also for a reason not known here', () => {
    for (const why of ['camera_failed', 'not_received']) expect(missingPicture(why)).not.toBe(missingPicture('something_new'))
    expect(missingPicture('something_new')).toBe(words('missing.unknown'))
  })

  it('a failure is told without its machine words', () => {
    const refused = (slug: string, status: number) => failure(new ProblemError({ type: `/problems/${slug}`, title: slug, status }))
    expect(failure(new UnreachableError())).toBe(words('fail.unreachable'))
    expect(refused('too-many-requests', 429)).toBe(words('fail.too-many-requests'))
    expect(refused('never-heard-of', 429)).toBe(words('fail.too-many-requests'))
    expect(refused('never-heard-of', 404)).toBe(words('fail.not-found'))
    expect(refused('never-heard-of', 500)).toBe(words('fail.other'))
    expect(failure(new TypeError('x'))).toBe(words('fail.other'))
  })
})
