/** Room numbers by rule: floors "1-12" and doors "01-04" make 101, 102 ... 1204. */

export const MAX_ROOMS = 2000
const MAX_ROOM_LENGTH = 8

export interface Rooms {
  rooms: string[]
  /** What is wrong with the rule, or null. */
  problem: 'floors' | 'doors' | 'too-many' | 'too-long' | null
}

/** "1-3, 5" -> ["1", "2", "3", "5"]; leading zeros are kept as width; null when it is no such list. */
export function parseRanges(text: string): string[] | null {
  const parts = text
    .replace(/[，、;；\s]+/g, ',')
    .split(',')
    .filter((part) => part !== '')
  if (parts.length === 0) return null
  const found = new Set<string>()
  for (const part of parts) {
    const match = /^(\d{1,4})(?:[-–~到至](\d{1,4}))?$/.exec(part)
    if (!match) return null
    const [, first = '', last = first] = match
    const [from, to] = [Number(first), Number(last)]
    if (to < from || to - from > 999) return null
    for (let number = from; number <= to; number += 1) found.add(String(number).padStart(first.length, '0'))
  }
  return [...found]
}

export function generateRooms(floors: string, doors: string): Rooms {
  const onFloors = parseRanges(floors)
  if (onFloors === null) return { rooms: [], problem: 'floors' }
  const onDoors = parseRanges(doors)
  if (onDoors === null) return { rooms: [], problem: 'doors' }
  if (onFloors.length * onDoors.length > MAX_ROOMS) return { rooms: [], problem: 'too-many' }
  const rooms = onFloors.flatMap((floor) => onDoors.map((door) => floor + door))
  if (rooms.some((room) => room.length > MAX_ROOM_LENGTH)) return { rooms: [], problem: 'too-long' }
  return { rooms: [...new Set(rooms)], problem: null }
}
