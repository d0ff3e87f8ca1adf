/** Socket.IO with what every namespace of ours needs: fresh credentials at each connection, problems as errors, time limits. */
import { io, type Socket } from 'socket.io-client'
import { ProblemError, UnreachableError, type Problem } from './http'

export type ConnectionState = 'connecting' | 'online' | 'offline'

export interface Line {
  readonly socket: Socket
  /** Sends and waits for the acknowledgement. @throws ProblemError, UnreachableError (not connected, or silent). */
  ask<T>(event: string, body: unknown, timeoutMs?: number): Promise<T>
  close(): void
}

export interface LineOptions {
  /** Credentials for one connection; called again for each. A rejection counts as a failed try. */
  auth: () => Promise<Record<string, unknown>>
  onState?: (state: ConnectionState) => void
  /** The service refused the connection; return false to give up, true to try again. */
  onRefused?: (problem: ProblemError) => boolean | Promise<boolean>
}

const RETRY_MS = { first: 400, most: 3_000 }

export function openLine(namespace: string, options: LineOptions): Line {
  let closed = false
  let refusals = 0
  let retry: ReturnType<typeof setTimeout> | undefined
  const state = (next: ConnectionState) => !closed && options.onState?.(next)

  const socket = io(namespace, {
    transports: ['websocket'],
    forceNew: true,
    autoConnect: false,
    timeout: 8_000,
    reconnectionDelay: RETRY_MS.first,
    reconnectionDelayMax: RETRY_MS.most,
    randomizationFactor: 0.5,
    auth: (send) => {
      options.auth().then(send, () => {
        // No credentials now (offline, signed out): give this connection up and come back later.
        socket.disconnect()
        again()
      })
    },
  })

  /** The library reconnects a lost transport by itself, but not after a refusal or a disconnect by the server. */
  function again() {
    if (closed) return
    state('offline')
    clearTimeout(retry)
    const wait = Math.min(RETRY_MS.first * 2 ** refusals++, RETRY_MS.most) * (0.5 + Math.random())
    retry = setTimeout(() => !closed && socket.connect(), wait)
  }

  socket.on('connect', () => {
    refusals = 0
    state('online')
  })
  socket.on('disconnect', (reason) => {
    state('offline')
    if (reason === 'io server disconnect') again()
  })
  socket.on('connect_error', async (error: Error & { data?: unknown }) => {
    state('offline')
    if (socket.active) return
    const problem = error.data as Problem | undefined
    const refusal = new ProblemError(
      problem && typeof problem.type === 'string' ? problem : { type: `/problems/${error.message}`, title: error.message, status: 401 },
    )
    if ((await options.onRefused?.(refusal)) ?? true) again()
  })
  socket.io.on('reconnect_attempt', () => state('connecting'))
  const hurry = () => {
    if (closed || socket.connected || document.visibilityState !== 'visible') return
    clearTimeout(retry)
    socket.disconnect().connect()
  }
  window.addEventListener('online', hurry)
  document.addEventListener('visibilitychange', hurry)

  state('connecting')
  socket.connect()

  return {
    socket,
    async ask<T>(event: string, body: unknown, timeoutMs = 5_000): Promise<T> {
      if (!socket.connected) throw new UnreachableError()
      let answer: (T & { problem?: Problem }) | null
      try {
        answer = await socket.timeout(timeoutMs).emitWithAck(event, body)
      } catch (problem) {
        throw new UnreachableError(problem)
      }
      if (answer && typeof answer === 'object' && answer.problem) throw new ProblemError(answer.problem)
      return answer as T
    },
    close() {
      closed = true
      clearTimeout(retry)
      window.removeEventListener('online', hurry)
      document.removeEventListener('visibilitychange', hurry)
      socket.removeAllListeners()
      socket.disconnect()
    },
  }
}
