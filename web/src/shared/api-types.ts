/** What the service says, as docs/openapi.json has it. */
export type Id = string
export type Iso = string

export interface Page<T> {
  items: T[]
  next_cursor: string | null
}

export interface Service {
  version: string
  setup_required: boolean
  demo: boolean
  community_name: string | null
  privacy_version: string
}

export interface Account {
  id: Id
  name: string
  role: 'resident' | 'administrator'
  privacy_accepted: boolean
  language: string
}

export interface SessionDevice {
  id: Id
  name: string
  state: 'approved' | 'pending'
}

export interface Session {
  access_token: string
  expires_in_s: number
  server_time: Iso
  device: SessionDevice
  account: Account
}

export interface Household {
  id: Id
  name: string
  building: string
  unit: string | null
  room: string
  community: string
  relation: 'owner' | 'family' | 'tenant'
  tenancy_ends_at: Iso | null
  let: boolean
  ringing: boolean
}

export interface Me {
  account: Account
  device: SessionDevice
  households: Household[]
}

export interface Device {
  id: Id
  name: string
  state: 'approved' | 'pending'
  this_device: boolean
  account_name: string
  created_at: Iso
  last_seen_at: Iso | null
}

export interface Invitation {
  id: Id
  code: string
  link: string
  qr_svg: string
  expires_at: Iso
  relation: 'owner' | 'family' | 'tenant'
}

/** An invitation nobody has used; its code was shown once, when it was made. */
export interface OpenInvitation {
  id: Id
  relation: 'owner' | 'family' | 'tenant'
  made_at: Iso
  expires_at: Iso
}

export interface Lease {
  id: Id
  household_id: Id
  household_name: string
  starts_at: Iso
  ends_at: Iso
  tenants: string[]
}

export interface NewLease extends Lease {
  invitation: Invitation
}

export type Contact = 'open' | 'closed' | 'unknown'

export interface Door {
  id: Id
  name: string
  kind: 'gate' | 'unit'
  station_online: boolean
  contact: Contact
}

export type OpeningState = 'commanded' | 'opened' | 'failed' | 'expired' | 'unanswered' | 'offline'

export interface Opening {
  id: Id
  door: { id: Id; name: string }
  state: OpeningState
  reason: string | null
  at: Iso
  call_id: Id | null
}

export type EndReason =
  | 'visitor_hung_up'
  | 'resident_hung_up'
  | 'declined'
  | 'no_answer'
  | 'nobody_connected'
  | 'opened'
  | 'door_opened'
  | 'station_lost'
  | 'phone_lost'
  | 'talk_limit'
  | 'household_busy'
  | 'media_failed'
  | 'withdrawn'

export type PictureMoment = 'press' | 'answer' | 'opening'

export interface Picture {
  moment: PictureMoment
  url: string | null
  missing: string | null
}

export type LegState = 'ringing' | 'answered' | 'declined' | 'completed_elsewhere' | 'ended'

/** A call as a phone sees it. What is sent to all phones of a home at once has `legs` in place of `my_leg`. */
export interface Call {
  id: Id
  version: number
  state: 'ringing' | 'answered' | 'ended'
  station: { id: Id; name: string }
  doors: { id: Id; name: string }[]
  household: { id: Id; name: string }
  placed_at: Iso
  expires_at: Iso
  talk_until: Iso | null
  answered_at: Iso | null
  answered_by: { device_id: Id | null; name: string | null } | null
  ended_at: Iso | null
  end_reason: EndReason | null
  ended_by: { device_id: Id | null; name: string | null } | null
  missed: boolean
  my_leg?: LegState | null
  legs?: { device_id: Id; state: LegState }[]
  pictures: Picture[]
  server_time: Iso
}

export interface AccessRecord {
  id: Id
  at: Iso
  kind: string
  door: { id: Id; name: string }
  method: 'call' | 'app'
  result: 'refused' | OpeningState
  reason: string | null
  call_id: Id | null
  pictures: Picture[]
}

export interface IceServers {
  ice_servers: RTCIceServer[]
  expires_in_s: number
}

export interface DemoInvitation {
  code: string
  name: string
  relation: string
}

export interface Community {
  id: Id
  name: string
  kind: 'closed' | 'open' | 'single_block'
  address_code: string | null
  timezone: string
}

export interface StaffStation {
  id: Id
  name: string
  kind: 'unit' | 'gate'
  doors: { id: Id; name: string }[]
  paired: boolean
  online: boolean
  last_seen_at: Iso | null
  software: string | null
  config_version: number
  applied_config_version: number | null
  clock_offset_ms: number | null
}

export interface PairingCode {
  code: string
  expires_at: Iso
  link: string
  qr_svg: string
}
