/**
 * What the service says, under the names the pages use. The shapes are generated (`npm run types`) from docs/openapi.json;
 * only what that document leaves open is written by hand.
 */
import type { components } from './openapi'

type S = components['schemas']

export type Id = string
export type Iso = string

export interface Page<T> {
  items: T[]
  next_cursor: string | null
}

export type Service = S['ServiceOut']
export type Session = S['SessionOut']
export type SessionDevice = Session['device']
export type Account = Session['account']
export type Me = S['MeOut']
export type Household = Me['households'][number]
export type Device = S['DevicesOut']['items'][number]
export type Invitation = S['InvitationOut']
/** An invitation nobody has used; its code was shown once, when it was made. */
export type OpenInvitation = S['InvitationsOut']['items'][number]
export type Lease = S['LeasesOut']['items'][number]
export type NewLease = S['NewLeaseOut']

export type Door = S['DoorsOut']['items'][number]
export type Contact = Door['contact']
export type Opening = S['OpeningOut']
export type OpeningState = Opening['state']
export type AccessRecord = S['RecordsOut']['items'][number]

/** The closed set of docs/station-protocol.md, section 5; a test compares the two. */
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

export type LegState = NonNullable<S['CallOut']['my_leg']>

/** A call as a phone sees it. What is sent to all phones of a home at once has `legs` in place of `my_leg`. */
export type Call = Omit<S['CallOut'], 'end_reason' | 'my_leg'> & {
  end_reason: EndReason | null
  my_leg?: LegState | null
  legs?: { device_id: Id; state: LegState }[]
}

export type Picture = S['CallOut']['pictures'][number]
export type PictureMoment = Picture['moment']

export interface IceServers {
  ice_servers: RTCIceServer[]
  expires_in_s: number
}

export type DemoInvitation = S['PersonaOut']
export type Community = S['CommunityOut']
export type StaffStation = S['StationOut']
export type PairingCode = S['PairingCodeOut']
