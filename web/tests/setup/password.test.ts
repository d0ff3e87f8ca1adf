import { expect, it } from 'vitest'
import { passwordStrength } from '../../src/setup/password'

it.each([
  ['', 'short'],
  ['Ab3$xy9', 'short'],
  ['1234567890', 'weak'],
  ['aaaaaaaaaaaa', 'weak'],
  ['Password2026', 'weak'],
  ['wangfang2026!x', 'weak'],
  ['x13800138000y', 'weak'],
  ['mqzkfhtewp', 'weak'],
  ['lake7mirror', 'fair'],
  ['Lake7-mirrors', 'strong'],
  ['correct horse battery', 'strong'],
  ['河边有三只白鹭在等雨停了才飞走呢', 'strong'],
] as const)('calls %j %s', (password, strength) => {
  expect(passwordStrength(password, ['wangfang', '13800138000'])).toBe(strength)
})
