import { expect, it } from 'vitest'
import { END_REASONS } from '../../src/shared/words'
import { outcomeText, t } from '../../src/station/texts'

it.each(END_REASONS)('the kiosk has a sentence of its own for the end "%s", in both languages', (reason) => {
  for (const table of [t.zh, t.en]) {
    expect(table[`end_${reason}`]).toBeTruthy()
    expect(table[`end_${reason}_text`]).toBeTruthy()
  }
})

it.each(['room-unknown', 'household-busy', 'station-busy', 'too-many-requests', 'unreachable'])(
  'and for the refusal "%s"',
  (slug) => {
    expect(outcomeText(slug, true, '1201').headline).not.toBe(outcomeText('no-such-problem', true, '1201').headline)
  },
)

it('says something polite for a reason it has never heard of', () => {
  for (const refused of [true, false]) {
    const { headline, sentence } = outcomeText('from_a_later_version', refused, '1201')
    expect(headline).toBeTruthy()
    expect(sentence).toBeTruthy()
  }
})
