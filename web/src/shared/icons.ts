/** Our own line icons on a 24 grid. Decoration only: the words beside them carry the meaning. */
import { h, type FunctionalComponent } from 'vue'

const icon = (...paths: string[]): FunctionalComponent => {
  const drawn: FunctionalComponent = () =>
    h('svg', { class: 'icon', viewBox: '0 0 24 24', 'aria-hidden': 'true', focusable: 'false' }, paths.map((d) => h('path', { d })))
  return drawn
}

export const IconDoor = icon('M6 21V4.5A1.5 1.5 0 0 1 7.5 3h9A1.5 1.5 0 0 1 18 4.5V21', 'M3.5 21h17', 'M14.5 12v.01')
export const IconDoorOpen = icon('M5 21V4.6A1.6 1.6 0 0 1 6.6 3H15', 'M3.5 21h17', 'M11 6.2 18.2 4v17', 'M11 6.2V21', 'M14.2 12.6v.01')
export const IconGate = icon('M3.5 21V8.5L12 4l8.5 4.5V21', 'M3.5 12h17', 'M8 12v9', 'M12 12v9', 'M16 12v9')
export const IconHome = icon('M4 11.2 12 4l8 7.2', 'M6 9.8V19a1.5 1.5 0 0 0 1.5 1.5h9A1.5 1.5 0 0 0 18 19V9.8', 'M10 20.5v-5.5h4v5.5')
export const IconList = icon('M9 6.5h11', 'M9 12h11', 'M9 17.5h11', 'M4.5 6.5v.01', 'M4.5 12v.01', 'M4.5 17.5v.01')
export const IconPerson = icon('M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8Z', 'M4.5 20.5c.6-3.7 3.7-5.5 7.5-5.5s6.9 1.8 7.5 5.5')
export const IconPhone = icon(
  'M6.6 3.5h2.3a1 1 0 0 1 1 .8l.8 3.5a1 1 0 0 1-.3 1L8.6 10.5a12.5 12.5 0 0 0 4.9 4.9l1.7-1.8a1 1 0 0 1 1-.3l3.5.8a1 1 0 0 1 .8 1v2.3a2.1 2.1 0 0 1-2.3 2.1C10.6 18.8 5.2 13.4 4.5 5.8a2.1 2.1 0 0 1 2.1-2.3Z',
)
export const IconHangUp = icon(
  'M12 9.2c-3.4 0-6.5.9-8.6 2.5a1.3 1.3 0 0 0-.4 1.5l.8 2a1.3 1.3 0 0 0 1.6.8l2.5-.8a1.3 1.3 0 0 0 .9-1.2v-1.7a11.8 11.8 0 0 1 6.4 0V14a1.3 1.3 0 0 0 .9 1.2l2.5.8a1.3 1.3 0 0 0 1.6-.8l.8-2a1.3 1.3 0 0 0-.4-1.5c-2.1-1.6-5.2-2.5-8.6-2.5Z',
)
export const IconClose = icon('m6 6 12 12', 'M18 6 6 18')
export const IconCheck = icon('m5 12.5 4.5 4.5L19 7.5')
export const IconAlert = icon('M12 4 2.8 19.5h18.4L12 4Z', 'M12 10v4.5', 'M12 17v.01')
export const IconInfo = icon('M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17Z', 'M12 11v5', 'M12 8v.01')
export const IconMic = icon('M12 14.5a3 3 0 0 0 3-3v-5a3 3 0 0 0-6 0v5a3 3 0 0 0 3 3Z', 'M6 11.5a6 6 0 0 0 12 0', 'M12 17.5v3')
export const IconMicOff = icon('M9 6.5a3 3 0 0 1 6 0v4', 'M9 9.5v2a3 3 0 0 0 4.5 2.6', 'M6 11.5a6 6 0 0 0 9.7 4.7', 'M18 11.5c0 .7-.1 1.3-.3 1.9', 'M12 17.5v3', 'm4 4 16 16')
export const IconSpeaker = icon('M4.5 9.5v5h3.2l4.3 3.7V5.8L7.7 9.5H4.5Z', 'M15.5 9a4.2 4.2 0 0 1 0 6', 'M18 6.5a7.8 7.8 0 0 1 0 11')
export const IconSpeakerOff = icon('M4.5 9.5v5h3.2l4.3 3.7V5.8L7.7 9.5H4.5Z', 'm15.5 9.5 5 5', 'm20.5 9.5-5 5')
export const IconCamera = icon('M3.5 8.5A2 2 0 0 1 5.5 6.5h8a2 2 0 0 1 2 2v7a2 2 0 0 1-2 2h-8a2 2 0 0 1-2-2v-7Z', 'm15.5 11 5-3v8l-5-3')
export const IconCameraOff = icon('M8 6.5h5.5a2 2 0 0 1 2 2V14', 'M5.2 6.5a2 2 0 0 0-1.7 2v7a2 2 0 0 0 2 2h8a2 2 0 0 0 1.6-.8', 'm15.5 11 5-3v8l-2.5-1.5', 'm4 4 16 16')
export const IconDevice = icon('M8 3h8a1.5 1.5 0 0 1 1.5 1.5v15A1.5 1.5 0 0 1 16 21H8a1.5 1.5 0 0 1-1.5-1.5v-15A1.5 1.5 0 0 1 8 3Z', 'M11 18h2')
export const IconPeople = icon('M9 11.5a3.3 3.3 0 1 0 0-6.6 3.3 3.3 0 0 0 0 6.6Z', 'M2.8 19.5c.5-3.2 3-4.7 6.2-4.7s5.7 1.5 6.2 4.7', 'M15.8 5.3a3 3 0 0 1 0 5.9', 'M17.8 15.1c1.9.6 3.1 2 3.4 4.4')
export const IconKey = icon('M8 19.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9Z', 'm11.3 11.7 7.7-7.7', 'm15 8 3 3', 'm18.5 4.5 2 2')
export const IconGlobe = icon('M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17Z', 'M3.5 12h17', 'M12 3.5c2.3 2.3 3.4 5.1 3.4 8.5s-1.1 6.2-3.4 8.5c-2.3-2.3-3.4-5.1-3.4-8.5S9.7 5.8 12 3.5Z')
export const IconSun = icon('M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8Z', 'M12 3v2', 'M12 19v2', 'M3 12h2', 'M19 12h2', 'm5.6 5.6 1.4 1.4', 'm17 17 1.4 1.4', 'm18.4 5.6-1.4 1.4', 'm7 17-1.4 1.4')
export const IconMoon = icon('M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10Z')
export const IconOut = icon('M14 4.5H7A1.5 1.5 0 0 0 5.5 6v12A1.5 1.5 0 0 0 7 19.5h7', 'M10.5 12h9.5', 'm16.5 8.5 3.5 3.5-3.5 3.5')
export const IconBack = icon('m14.5 5.5-6.5 6.5 6.5 6.5')
export const IconNext = icon('m9.5 5.5 6.5 6.5-6.5 6.5')
export const IconBell = icon('M6.5 16.5V11a5.5 5.5 0 0 1 11 0v5.5l1.5 1.5H5l1.5-1.5Z', 'M10.5 20.5h3')
export const IconCloudOff = icon('M8.5 7A5.5 5.5 0 0 1 17.4 10 4 4 0 0 1 19 17.3', 'M15.5 18H7.5A4 4 0 0 1 6.2 10.2', 'm4 4 16 16')
export const IconPlus = icon('M12 5.5v13', 'M5.5 12h13')
export const IconTrash = icon('M5 7h14', 'M9.5 7V4.5h5V7', 'M7 7l.8 12A1.5 1.5 0 0 0 9.3 20.5h5.4a1.5 1.5 0 0 0 1.5-1.5L17 7')
export const IconImage = icon('M5 4.5h14A1.5 1.5 0 0 1 20.5 6v12a1.5 1.5 0 0 1-1.5 1.5H5A1.5 1.5 0 0 1 3.5 18V6A1.5 1.5 0 0 1 5 4.5Z', 'm4 16.5 4.5-4.5 3.5 3.5 3-3 5 5', 'M9 9v.01')
export const IconShield = icon('M12 3.5 5 6v5.5c0 4.3 2.9 7.4 7 9 4.1-1.6 7-4.7 7-9V6l-7-2.5Z', 'm9 12 2.2 2.2 4-4.2')
export const IconCopy = icon('M9 8.5h9A1.5 1.5 0 0 1 19.5 10v9a1.5 1.5 0 0 1-1.5 1.5H9A1.5 1.5 0 0 1 7.5 19v-9A1.5 1.5 0 0 1 9 8.5Z', 'M16.5 8.5V5A1.5 1.5 0 0 0 15 3.5H6A1.5 1.5 0 0 0 4.5 5v9A1.5 1.5 0 0 0 6 15.5h1.5')
export const IconClock = icon('M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17Z', 'M12 7.5V12l3 2')
export const IconLease = icon('M6.5 3.5h8L18 7v12a1.5 1.5 0 0 1-1.5 1.5h-10A1.5 1.5 0 0 1 5 19V5a1.5 1.5 0 0 1 1.5-1.5Z', 'M8.5 10.5h6', 'M8.5 14h6', 'M8.5 17.5h3')
