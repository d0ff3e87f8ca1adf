/** Words that several pages share: reasons, pictures, failures. Every reason the service can give has a polite sentence. */
import type { EndReason, PictureMoment } from './api-types'
import { ProblemError, UnreachableError } from './http'
import { defineMessages } from './i18n'

export const words = defineMessages(
  {
    'end.visitor_hung_up': '访客已挂断',
    'end.resident_hung_up': '通话已结束',
    'end.declined': '家人都选择了拒绝',
    'end.no_answer': '无人接听，已记为未接来访',
    'end.nobody_connected': '当时家里没有手机在线',
    'end.opened': '门已打开，呼叫结束',
    'end.door_opened': '门已被打开，呼叫结束',
    'end.station_lost': '门口机断线，呼叫结束',
    'end.phone_lost': '接听的手机断线，通话结束',
    'end.talk_limit': '通话已到时限',
    'end.household_busy': '当时家里正在接另一个来访',
    'end.media_failed': '音视频没有接通，呼叫结束',
    'end.withdrawn': '服务已重置，呼叫取消',
    'end.unknown': '呼叫已结束',
    'picture.press': '访客按呼叫时的画面',
    'picture.answer': '接听时的画面',
    'picture.opening': '开门时的画面',
    'missing.none': '没有拍到画面',
    'missing.camera_failed': '门口机摄像头没有拍到画面',
    'missing.no_camera': '门口机没有摄像头',
    'missing.not_received': '门口机还没有传来画面',
    'missing.pending': '画面正在传来',
    'missing.station_offline': '门口机离线，没有传来画面',
    'missing.too_large': '画面太大，没有保存',
    'missing.link_expired': '画面链接已过期，请刷新页面',
    'missing.removed': '画面已按保存期限删除',
    'missing.unknown': '没有画面',
    'fail.unreachable': '连不上服务，请检查网络后重试',
    'fail.validation-failed': '有内容填写不正确，请检查',
    'fail.too-many-requests': '操作太频繁，请稍等再试',
    'fail.sign-in-failed': '没有登录成功，请检查填写的内容',
    'fail.sign-in-required': '请重新登录',
    'fail.forbidden': '没有权限',
    'fail.conflict': '和现有的内容冲突，请刷新后再试',
    'fail.access-denied': '没有权限',
    'fail.not-found': '找不到这项内容，可能已被删除',
    'fail.device-pending': '这部手机还在等待批准',
    'fail.call-ended': '呼叫已结束',
    'fail.other': '没有成功，请再试一次',
  },
  {
    'end.visitor_hung_up': 'The visitor hung up',
    'end.resident_hung_up': 'Call ended',
    'end.declined': 'Everyone at home declined',
    'end.no_answer': 'Nobody answered; kept as a missed visit',
    'end.nobody_connected': 'No phone of the home was online',
    'end.opened': 'The door was opened, the call is over',
    'end.door_opened': 'The door has been opened, the call is over',
    'end.station_lost': 'The door station went offline, the call is over',
    'end.phone_lost': 'The phone that answered went offline, the call is over',
    'end.talk_limit': 'The talk reached its time limit',
    'end.household_busy': 'The home was busy with another visitor',
    'end.media_failed': 'Sound and picture could not connect, the call is over',
    'end.withdrawn': 'The service was reset, the call was cancelled',
    'end.unknown': 'The call is over',
    'picture.press': 'Picture when the visitor called',
    'picture.answer': 'Picture when the call was answered',
    'picture.opening': 'Picture when the door was opened',
    'missing.none': 'No picture was taken',
    'missing.camera_failed': 'The camera of the door station took no picture',
    'missing.no_camera': 'The door station has no camera',
    'missing.not_received': 'The door station has not sent the picture',
    'missing.pending': 'The picture is on its way',
    'missing.station_offline': 'The door station was offline, no picture came',
    'missing.too_large': 'The picture was too large to keep',
    'missing.link_expired': 'The link to the picture has expired, please reload',
    'missing.removed': 'The picture was removed when its time was over',
    'missing.unknown': 'No picture',
    'fail.unreachable': 'The service cannot be reached. Check the network and try again',
    'fail.validation-failed': 'Something is not filled in correctly',
    'fail.too-many-requests': 'Too many tries. Please wait a moment',
    'fail.sign-in-failed': 'Sign-in failed. Check what you typed',
    'fail.sign-in-required': 'Please sign in again',
    'fail.forbidden': 'Not allowed',
    'fail.conflict': 'This contradicts what is there already. Reload and try again',
    'fail.access-denied': 'Not allowed',
    'fail.not-found': 'This cannot be found; it may have been removed',
    'fail.device-pending': 'This phone is still waiting for approval',
    'fail.call-ended': 'The call is over',
    'fail.other': 'That did not work. Please try again',
  },
)

type Key = keyof typeof words.zh & Parameters<typeof words>[0]
const known = (key: string): key is Key => key in words.zh

export const END_REASONS: readonly EndReason[] = [
  'visitor_hung_up', 'resident_hung_up', 'declined', 'no_answer', 'nobody_connected', 'opened', 'door_opened',
  'station_lost', 'phone_lost', 'talk_limit', 'household_busy', 'media_failed', 'withdrawn',
]

export function endReason(reason: EndReason | string | null): string {
  const key = `end.${reason ?? 'unknown'}`
  return words(known(key) ? key : 'end.unknown')
}

export function missingPicture(why: string): string {
  const key = `missing.${why}`
  return words(known(key) ? key : 'missing.unknown')
}

export const pictureMoment = (moment: PictureMoment): string => words(`picture.${moment}`)

/** A failure in words for the person in front of the page. */
export function failure(problem: unknown): string {
  if (problem instanceof UnreachableError) return words('fail.unreachable')
  if (problem instanceof ProblemError) {
    const key = `fail.${problem.slug}`
    if (known(key)) return words(key)
    if (problem.status === 429) return words('fail.too-many-requests')
    if (problem.status === 404) return words('fail.not-found')
  }
  return words('fail.other')
}
