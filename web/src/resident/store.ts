/** What the resident pages know: the person, the homes, the doors, and the live line to the service. */
import { computed, ref, shallowRef, watch } from 'vue'
import type { Call, Door, Id, Me, Opening, Service } from '../shared/api-types'
import { get, patch, ProblemError, send } from '../shared/api'
import { noteServerTime } from '../shared/clock'
import { proofFor } from '../shared/keys'
import type { SignalMessage } from '../shared/phone-media'
import { accessToken, device, dropSession, leftByChoice, onSession, refreshSession, sessionState, updateSession } from '../shared/session'
import type { ConnectionState, Line } from '../shared/socket'
import { lang } from '../shared/i18n'
import { recall } from '../shared/client'
import { callLineBack, hearCall, hearSignal, hearState, forgetCalls } from './calls'
import { toast } from '../shared/toast'
import { t } from './messages'
import { correctOpening } from './openings'

export const service = shallowRef<Service | null>(null)
export const me = shallowRef<Me | null>(null)
export const doors = shallowRef<Door[] | null>(null)
export const connection = ref<ConnectionState>('connecting')
/** Grows whenever lists of devices may have changed. */
export const devicesChanged = ref(0)
/** Grows whenever a call has ended, so that lists of calls read again. */
export const callsChanged = ref(0)

export const approved = computed(() => device.value?.state === 'approved')
export const homes = computed(() => me.value?.households ?? [])
export const mayInvite = computed(() => homes.value.filter((home) => home.ringing))
export const ownedHomes = computed(() => homes.value.filter((home) => home.relation === 'owner'))

export async function loadService(): Promise<void> {
  service.value = await send<Service>('GET', '/service', { proof: false })
}

let askedMe = 0
export async function loadMe(): Promise<void> {
  const mine = ++askedMe
  const answer = await get<Me>('/me')
  // A later question has the later truth: an answer on its way may still say that nothing was agreed to.
  if (mine !== askedMe) return
  me.value = answer
  updateSession({ account: answer.account, device: answer.device })
}

export async function loadDoors(): Promise<void> {
  doors.value = (await get<{ items: Door[] }>('/doors')).items
}

/** What the service sends this person (messages, later pushes) is to be in the language chosen here. */
export function tellLanguage(): void {
  if (me.value) void patch('/me', { language: lang.value }).catch(() => undefined)
}

let line: Line | null = null
let renewal: ReturnType<typeof setTimeout> | undefined

const SOCKET_PATH = '/socket.io/resident'
const credentials = async () => {
  const token = await accessToken()
  return { token, proof: await proofFor('GET', SOCKET_PATH, token) }
}

export const ask = <T>(event: string, body: unknown, timeoutMs?: number): Promise<T> => {
  if (!line) return Promise.reject(new Error('no line'))
  return line.ask<T>(event, body, timeoutMs)
}

export const sendSignal = (message: SignalMessage) => ask('signal', message)

/** Renews the right to stay on before the token runs out; a refusal ends the connection and a new one is made. */
async function stayOn(): Promise<void> {
  clearTimeout(renewal)
  try {
    const { expires_in_s } = await ask<{ ok: true; expires_in_s: number }>('authenticate', await credentials())
    renewIn(expires_in_s)
  } catch (problem) {
    const said = problem instanceof ProblemError ? problem.problem.server_time : undefined
    if (typeof said === 'string') noteServerTime(said)
    renewal = setTimeout(() => void stayOn(), typeof said === 'string' ? 500 : 15_000)
  }
}

function renewIn(expiresInS: number) {
  clearTimeout(renewal)
  renewal = setTimeout(() => void refreshSession().catch(() => undefined), Math.max(5, expiresInS - 60) * 1000)
}

/** The line's own code is fetched apart: whoever is not signed in does not need it. */
const loadLine = () => import('../shared/socket')
if (recall('signed-in') !== null) void loadLine()

let wanted = false
let connectedBefore = false

export async function connect(): Promise<void> {
  if (wanted) return
  wanted = true
  const { openLine } = await loadLine().catch((problem: unknown) => Promise.reject((wanted = false, problem)))
  if (!wanted || line) return
  line = openLine('/resident', {
    auth: credentials,
    onState: (state) => (connection.value = state),
    onRefused: async (problem) => {
      if (typeof problem.problem.server_time === 'string') noteServerTime(problem.problem.server_time)
      else if (problem.status === 401 || problem.status === 403) {
        // A refresh that fails ends the session; one that works shows what has changed (a device no longer approved).
        try {
          await refreshSession()
          await loadMe()
        } catch {
          return sessionState.value === 'signed_in'
        }
      }
      return true
    },
  })
  const { socket } = line
  socket.on('state', (body: { calls: Call[]; server_time: string }) => {
    noteServerTime(body.server_time)
    hearState(body.calls)
    callLineBack()
    void loadDoors().catch(() => undefined)
    // A new connection may mean new rights: a lease that began or ended.
    if (connectedBefore) void loadMe().catch(() => undefined)
    connectedBefore = true
  })
  socket.on('call', (call: Call) => {
    noteServerTime(call.server_time)
    hearCall(call)
    if (call.state !== 'ringing') callsChanged.value++
  })
  socket.on('signal', (message: SignalMessage) => hearSignal(message))
  socket.on('opening', (opening: Opening) => correctOpening(opening))
  socket.on('door', (body: { door_id: Id; contact: Door['contact']; station_online: boolean }) => {
    doors.value =
      doors.value?.map((door) => (door.id === body.door_id ? { ...door, contact: body.contact, station_online: body.station_online } : door)) ?? null
  })
  socket.on('devices', () => devicesChanged.value++)
}

function goLive(): void {
  connect().catch(() => setTimeout(() => approved.value && goLive(), 3_000))
}

export function disconnect(): void {
  wanted = false
  connectedBefore = false
  clearTimeout(renewal)
  line?.close()
  line = null
}

onSession((session) => {
  if (session === null) {
    if (me.value && !leftByChoice()) toast(t('sign.ended'), { bad: true, forMs: 9_000 })
    disconnect()
    forgetCalls()
    me.value = null
    doors.value = null
    return
  }
  renewIn(session.expires_in_s)
  if (line?.socket.connected) void stayOn()
})

/** Reads who this is after a sign-in or a page load, and goes live when the device may. */
export async function enter(): Promise<void> {
  if (approved.value) {
    goLive()
    void loadDoors().catch(() => undefined)
  }
  try {
    await loadMe()
  } catch (problem) {
    if (problem instanceof ProblemError && problem.status === 401) dropSession()
    else throw problem
  }
}

watch(approved, (now) => {
  if (now) {
    goLive()
    void loadDoors().catch(() => undefined)
  } else disconnect()
})
