/**
 * Pictures for a station without a camera, drawn on a canvas and honest about it: a plain card "no camera", and for the demo
 * a drawn visitor. Phones crop to their own shape, so all that matters stands in the middle third.
 */
const WIDTH = 640
const HEIGHT = 480
const FPS = 12
const FONT = '"Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", system-ui, sans-serif'

export type SceneKind = 'visitor' | 'no-camera'

export class Scene {
  readonly canvas = document.createElement('canvas')
  readonly track: MediaStreamTrack
  private readonly brush: CanvasRenderingContext2D
  private readonly timer: ReturnType<typeof setInterval>
  private readonly startedMs = performance.now()

  constructor(
    private readonly kind: SceneKind,
    private readonly clock: () => number,
  ) {
    this.canvas.width = WIDTH
    this.canvas.height = HEIGHT
    this.brush = this.canvas.getContext('2d', { alpha: false }) as CanvasRenderingContext2D
    this.draw()
    this.timer = setInterval(() => this.draw(), 1000 / FPS)
    this.track = this.canvas.captureStream(FPS).getVideoTracks()[0] as MediaStreamTrack
  }

  stop(): void {
    clearInterval(this.timer)
    this.track.stop()
  }

  private draw(): void {
    const time = new Date(this.clock()).toLocaleTimeString('zh-CN', { hour12: false })
    if (this.kind === 'visitor') drawVisitor(this.brush, (performance.now() - this.startedMs) / 1000, time)
    else drawNoCamera(this.brush, time)
  }
}

function drawNoCamera(c: CanvasRenderingContext2D, time: string): void {
  c.fillStyle = '#1d2723'
  c.fillRect(0, 0, WIDTH, HEIGHT)
  c.strokeStyle = '#7f948a'
  c.lineWidth = 6
  c.beginPath()
  c.roundRect(268, 158, 82, 64, 12)
  c.moveTo(350, 182)
  c.lineTo(376, 166)
  c.lineTo(376, 214)
  c.lineTo(350, 198)
  c.moveTo(262, 232)
  c.lineTo(382, 148)
  c.stroke()
  caption(c, '无摄像头', 275, 30, '#e8f0ec')
  caption(c, 'No camera', 308, 22, '#c3d0c9')
  caption(c, time, 342, 20, '#a3b3ab')
}

function drawVisitor(c: CanvasRenderingContext2D, seconds: number, time: string): void {
  drawLobby(c)
  const sway = Math.sin(seconds * 1.3) * 4
  const breath = Math.sin(seconds * 2) * 1.5
  c.save()
  c.translate(320 + sway, breath - 16)
  c.scale(0.86, 0.86)
  drawBody(c)
  drawFace(c, seconds)
  c.restore()
  drawBadge(c, sway, breath, time)
}

function drawLobby(c: CanvasRenderingContext2D): void {
  const wall = c.createLinearGradient(0, 0, 0, HEIGHT)
  wall.addColorStop(0, '#5d7076')
  wall.addColorStop(1, '#39474c')
  c.fillStyle = wall
  c.fillRect(0, 0, WIDTH, HEIGHT)
  // Daylight in the doorway behind the visitor, between two pillars.
  const day = c.createLinearGradient(0, 0, 0, HEIGHT)
  day.addColorStop(0, '#a9c4cc')
  day.addColorStop(0.7, '#cfd6c8')
  day.addColorStop(1, '#8a8f7c')
  c.fillStyle = day
  c.fillRect(150, 0, 340, HEIGHT)
  c.fillStyle = '#7ea487'
  for (const [x, y, r] of [
    [178, 330, 48],
    [236, 352, 36],
    [424, 348, 40],
    [470, 326, 50],
  ] as const) {
    c.beginPath()
    c.arc(x, y, r, 0, Math.PI * 2)
    c.fill()
  }
  c.fillStyle = '#2f3b3f'
  c.fillRect(138, 0, 14, HEIGHT)
  c.fillRect(488, 0, 14, HEIGHT)
}

function drawBody(c: CanvasRenderingContext2D): void {
  const coat = c.createLinearGradient(0, 300, 0, HEIGHT)
  coat.addColorStop(0, '#2a6fb4')
  coat.addColorStop(1, '#1c4d80')
  c.fillStyle = coat
  c.beginPath()
  c.moveTo(-178, HEIGHT + 120)
  c.bezierCurveTo(-172, 372, -112, 336, -52, 322)
  c.lineTo(52, 322)
  c.bezierCurveTo(112, 336, 172, 372, 178, HEIGHT + 120)
  c.fill()
  c.fillStyle = '#dca57a'
  c.beginPath()
  c.roundRect(-27, 282, 54, 52, 22)
  c.fill()
  c.strokeStyle = '#123a63'
  c.lineWidth = 9
  c.lineCap = 'round'
  c.beginPath()
  c.moveTo(-50, 324)
  c.quadraticCurveTo(0, 362, 50, 324)
  c.stroke()
}

function drawFace(c: CanvasRenderingContext2D, seconds: number): void {
  c.fillStyle = '#e2ae84'
  for (const x of [-70, 70]) {
    c.beginPath()
    c.ellipse(x, 232, 11, 17, 0, 0, Math.PI * 2)
    c.fill()
  }
  c.fillStyle = '#ecbf97'
  c.beginPath()
  c.ellipse(0, 228, 70, 82, 0, 0, Math.PI * 2)
  c.fill()
  // A courier's cap with its peak.
  c.fillStyle = '#c7502d'
  c.beginPath()
  c.moveTo(-76, 206)
  c.bezierCurveTo(-78, 122, 78, 122, 76, 206)
  c.quadraticCurveTo(0, 184, -76, 206)
  c.fill()
  c.fillStyle = '#9d3c20'
  c.beginPath()
  c.moveTo(-82, 208)
  c.quadraticCurveTo(0, 176, 82, 208)
  c.quadraticCurveTo(0, 200, -82, 208)
  c.fill()
  const blink = seconds % 3.7 > 3.55 ? 0.12 : 1
  c.fillStyle = '#27201c'
  for (const x of [-26, 26]) {
    c.beginPath()
    c.ellipse(x, 232, 6, 7.5 * blink, 0, 0, Math.PI * 2)
    c.fill()
  }
  c.fillStyle = '#e7a183'
  for (const x of [-42, 42]) {
    c.beginPath()
    c.ellipse(x, 258, 11, 7, 0, 0, Math.PI * 2)
    c.fill()
  }
  c.strokeStyle = '#8c4a34'
  c.lineWidth = 4.5
  c.lineCap = 'round'
  c.beginPath()
  c.moveTo(-24, 266)
  c.quadraticCurveTo(0, 286 + Math.sin(seconds * 5) * 3, 24, 266)
  c.stroke()
}

/** The label no viewer can miss, with the time: a still picture would be seen at once. */
function drawBadge(c: CanvasRenderingContext2D, sway: number, breath: number, time: string): void {
  c.save()
  c.translate(sway, breath)
  c.fillStyle = '#f6f3e8'
  c.beginPath()
  c.roundRect(230, 286, 180, 54, 10)
  c.fill()
  caption(c, '手绘演示画面 · drawn', 307, 16, '#22302a')
  caption(c, time, 330, 17, '#3d4d45')
  c.restore()
}

function caption(c: CanvasRenderingContext2D, text: string, y: number, size: number, colour: string): void {
  c.font = `600 ${size}px ${FONT}`
  c.textAlign = 'center'
  c.fillStyle = colour
  c.fillText(text, WIDTH / 2, y)
}
