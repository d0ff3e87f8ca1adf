// A bare socket.io 4 server on 127.0.0.1: whatever one client says as `notice`, everybody hears. No authentication, no database.
import { createServer } from 'node:http'
import { Server } from 'socket.io'

const http = createServer()
const io = new Server(http, { transports: ['websocket'], pingInterval: 10_000, pingTimeout: 10_000, serveClient: false })
io.on('connection', (socket) => {
  socket.on('notice', (body) => io.emit('notice', body))
})
http.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ port: http.address().port }))
})
