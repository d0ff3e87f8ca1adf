/** What an administrator works on: the lists of /api/v1/staff, loaded whole, and the changes to them. */
import { reactive } from 'vue'
import { get, newIdempotencyKey, patch, post, remove } from '../shared/api'
import type { Community, Device, Id, Iso, Page, PairingCode, StaffStation as BareStation } from '../shared/api-types'

export interface Unit {
  id: Id
  name: string
  number: string
  households: number
}

export interface Building {
  id: Id
  name: string
  number: string
  households: number
  units: Unit[]
}

export interface StaffHousehold {
  id: Id
  name: string
  room: string
  building_id: Id
  unit_id: Id | null
  residents: number
  let: boolean
}

export type Relation = 'owner' | 'family' | 'tenant'

export interface StaffInvitation {
  code: string
  link: string
  qr_svg: string
  expires_at: Iso
}

export interface StaffResident {
  id: Id
  name: string
  phone_masked: string | null
  relation: Relation
  ends_at: Iso | null
  devices: number
  /** Whether this person is rung now: an owner who has let the home is not. */
  counts: boolean
}

export interface StaffDoor {
  id: Id
  name: string
  kind: 'gate' | 'unit'
  building_id: Id | null
  unit_id: Id | null
  hold_s: number
  contact: 'open' | 'closed' | 'unknown'
  station_id: Id | null
}

export type RelayKind = 'agent' | 'drawn' | 'none'

export interface StaffStation extends BareStation {
  relay: RelayKind
  relay_url: string | null
  ring_s: number
  talk_s: number
  language: 'zh' | 'en'
}

interface Lists {
  ready: boolean
  community: Community | null
  buildings: Building[]
  households: StaffHousehold[]
  doors: StaffDoor[]
  stations: StaffStation[]
  /** Phones that came in by text message and wait for approval. */
  waiting: Device[]
  householdsLoaded: boolean
}

export const staff = reactive<Lists>({
  ready: false,
  community: null,
  buildings: [],
  households: [],
  doors: [],
  stations: [],
  waiting: [],
  householdsLoaded: false,
})

const itemsOf = async <T>(path: string): Promise<T[]> => (await get<{ items: T[] }>(path)).items

export const load = {
  async community(): Promise<void> {
    staff.community = await get<Community>('/staff/community')
  },
  async buildings(): Promise<void> {
    staff.buildings = await itemsOf<Building>('/staff/buildings')
  },
  /** All homes, page by page; the page shows them as they come. */
  async households(): Promise<void> {
    let cursor: string | undefined
    const all: StaffHousehold[] = []
    do {
      const page: Page<StaffHousehold> = await get<Page<StaffHousehold>>('/staff/households', { limit: 500, cursor })
      all.push(...page.items)
      staff.households = [...all]
      cursor = page.next_cursor ?? undefined
    } while (cursor)
    staff.householdsLoaded = true
  },
  async doors(): Promise<void> {
    staff.doors = await itemsOf<StaffDoor>('/staff/doors')
  },
  async stations(): Promise<void> {
    staff.stations = await itemsOf<StaffStation>('/staff/stations')
  },
  async waiting(): Promise<void> {
    staff.waiting = await itemsOf<Device>('/staff/devices')
  },
  async everything(): Promise<void> {
    await Promise.all([this.community(), this.buildings(), this.doors(), this.stations(), this.waiting()])
    staff.ready = true
    await this.households()
  },
}

/** A create that may be tried again without making two. */
const make = <T>(path: string, body: unknown): Promise<T> => post<T>(path, body, newIdempotencyKey())

export async function addBuilding(body: { name: string; number: string }): Promise<void> {
  await make('/staff/buildings', body)
  await load.buildings()
}

export async function addUnit(buildingId: Id, body: { name: string; number: string }): Promise<void> {
  await make(`/staff/buildings/${buildingId}/units`, body)
  await load.buildings()
}

export async function addHouseholds(body: { building_id: Id; unit_id: Id | null; rooms: string[] }): Promise<void> {
  const made = await make<{ items: StaffHousehold[] }>('/staff/households', body)
  staff.households = [...staff.households, ...made.items]
  await load.buildings()
}

export interface NewDoor {
  name: string
  kind: 'gate' | 'unit'
  building_id?: Id
  unit_id?: Id
  hold_s: number
}

export async function addDoor(body: NewDoor): Promise<void> {
  await make('/staff/doors', body)
  await load.doors()
}

export interface NewStation {
  name: string
  kind: 'unit' | 'gate'
  door_ids: Id[]
  building_ids: Id[]
  unit_id?: Id
  relay: 'agent' | 'none'
  relay_url?: string
}

export async function addStation(body: NewStation): Promise<void> {
  await make('/staff/stations', body)
  await Promise.all([load.stations(), load.doors()])
}

/** What may be changed later; each change is a new version of the configuration. */
export interface StationChange {
  name?: string
  relay?: 'agent' | 'none'
  relay_url?: string
  ring_s?: number
  talk_s?: number
  language?: 'zh' | 'en'
}

export async function updateStation(id: Id, body: StationChange): Promise<void> {
  await patch(`/staff/stations/${id}`, body)
  await load.stations()
}

export async function updateCommunity(body: Partial<Community>): Promise<void> {
  await patch('/staff/community', body)
  await load.community()
}

export const makePairingCode = (stationId: Id): Promise<PairingCode> => make(`/staff/stations/${stationId}/pairing-codes`, {})

/** Who lives there; the count beside the room follows. */
export async function residentsOf(householdId: Id): Promise<StaffResident[]> {
  const people = await itemsOf<StaffResident>(`/staff/households/${householdId}/residents`)
  const home = staff.households.find((one) => one.id === householdId)
  if (home) home.residents = people.filter((one) => one.counts).length
  return people
}

export interface NewResident {
  name: string
  relation: Relation
  phone?: string
  ends_at?: Iso
}

export const addResident = (householdId: Id, body: NewResident): Promise<StaffResident & { invitation: StaffInvitation }> =>
  make(`/staff/households/${householdId}/residents`, body)

export const inviteAgain = (residentId: Id): Promise<StaffInvitation> => make(`/staff/residents/${residentId}/invitations`, {})
export const removeResident = (residentId: Id): Promise<void> => remove(`/staff/residents/${residentId}`)

export async function approveDevice(id: Id): Promise<void> {
  await post(`/staff/devices/${id}/approve`)
  await load.waiting()
}

export async function removeDevice(id: Id): Promise<void> {
  await remove(`/staff/devices/${id}`)
  await load.waiting()
}

export const buildingName = (id: Id | null | undefined): string => staff.buildings.find((one) => one.id === id)?.name ?? ''

/** "3栋 2单元" of a home, a door or a station. */
export function placeName(buildingId: Id | null | undefined, unitId: Id | null | undefined): string {
  for (const building of staff.buildings) {
    const unit = building.units.find((one) => one.id === unitId)
    if (unit) return `${building.name} ${unit.name}`
    if (!unitId && building.id === buildingId) return building.name
  }
  return ''
}

/** The steps of setting a community up, in their order, and which are done. */
export type Step = 'buildings' | 'homes' | 'doors' | 'stations' | 'paired' | 'residents'

export function stepsDone(lists: Pick<Lists, 'buildings' | 'households' | 'doors' | 'stations'>): Record<Step, boolean> {
  return {
    buildings: lists.buildings.length > 0,
    homes: lists.buildings.some((one) => one.households > 0),
    doors: lists.doors.length > 0,
    stations: lists.stations.length > 0,
    paired: lists.stations.some((one) => one.paired),
    residents: lists.households.some((one) => one.residents > 0),
  }
}
