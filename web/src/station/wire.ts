/** The wire of a station: one Socket.IO connection to /station, websocket only; reconnecting is the client's own affair. */

import { io } from 'socket.io-client'
import type { OpenWire } from './client'
import type { Problem } from '../shared/http'

const ACK_TIMEOUT_MS = 5_000
const PICTURE_TIMEOUT_MS = 15_000
const EVENTS = ['welcome', 'config', 'call', 'signal', 'open']

export const openSocket: OpenWire = (hello, listener) => {
  const socket = io('/station', {
    path: '/socket.io/',
    transports: ['websocket'],
    reconnection: false,
    forceNew: true,
    timeout: 8_000,
    auth: { ...hello },
  })
  socket.on('connect', () => listener.connected())
  socket.on('disconnect', () => listener.disconnected())
  socket.on('connect_error', (error: Error & { data?: Problem }) => {
    // A refusal by the server carries its problem document; without one the transport itself failed.
    if (error.data) listener.refused(error.message, error.data)
    else listener.disconnected()
  })
  for (const name of EVENTS) socket.on(name, (body: unknown) => listener.event(name, body))
  return {
    send: (event, body) =>
      new Promise((resolve, reject) => {
        const stop = (): void => {
          socket.off('disconnect', stop)
          reject(new Error('disconnected'))
        }
        socket.once('disconnect', stop)
        socket
          .timeout(event === 'picture' ? PICTURE_TIMEOUT_MS : ACK_TIMEOUT_MS)
          .emitWithAck(event, body)
          .then(resolve, reject)
          .finally(() => socket.off('disconnect', stop))
      }),
    close: () => {
      socket.disconnect()
    },
  }
}
