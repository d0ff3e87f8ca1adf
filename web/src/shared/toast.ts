/** Short notices at the top of the page, also read aloud by screen readers. */
import { ref } from 'vue'

export interface ToastItem {
  id: number
  text: string
  bad: boolean
}

export const toasts = ref<ToastItem[]>([])
let last = 0

export function toast(text: string, options: { bad?: boolean; forMs?: number } = {}): void {
  const id = ++last
  toasts.value = [...toasts.value.slice(-2), { id, text, bad: options.bad ?? false }]
  setTimeout(() => (toasts.value = toasts.value.filter((item) => item.id !== id)), options.forMs ?? 5_000)
}
