import { describe, expect, it } from 'vitest'
import { generateRooms, parseRanges } from '../../src/setup/rooms'

describe('ranges', () => {
  it.each([
    ['1-3', ['1', '2', '3']],
    ['01-03', ['01', '02', '03']],
    ['8-11', ['8', '9', '10', '11']],
    ['1-2，5、7 ; 9', ['1', '2', '5', '7', '9']],
    ['1到3', ['1', '2', '3']],
    ['2,2,1-2', ['2', '1']],
  ])('reads %s', (text, numbers) => expect(parseRanges(text)).toEqual(numbers))

  it.each(['', ' ', 'a', '1-', '3-1', '-2', '1--2', '12345', '1-2000', '一'])('refuses %j', (text) =>
    expect(parseRanges(text)).toBeNull(),
  )
})

describe('the generator of rooms', () => {
  it('puts the door behind the floor', () => {
    const { rooms, problem } = generateRooms('1-12', '01-04')
    expect(problem).toBeNull()
    expect(rooms).toHaveLength(48)
    expect([rooms[0], rooms[3], rooms[4], rooms.at(-1)]).toEqual(['101', '104', '201', '1204'])
  })

  it.each([
    ['x', '01', 'floors'],
    ['1', '', 'doors'],
    ['1-100', '001-100', 'too-many'],
    ['1001', '10001', 'doors'],
  ] as const)('says what is wrong with %s × %s', (floors, doors, problem) => {
    expect(generateRooms(floors, doors)).toEqual({ rooms: [], problem })
  })
})
