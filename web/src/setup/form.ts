/** One form: busy while it is sent, and each refusal beside the field it speaks of. */
import { reactive } from 'vue'
import { ProblemError } from '../shared/http'
import { failure } from '../shared/words'
import { t } from './texts'

export interface FormState {
  busy: boolean
  problem: string
  errors: Record<string, string>
}

interface FieldError {
  field: string
  message: string
}

export function useForm(): FormState & {
  submit(check: () => Record<string, string>, send: () => Promise<void>): Promise<boolean>
  reset(): void
} {
  const state = reactive<FormState>({ busy: false, problem: '', errors: {} })

  async function submit(check: () => Record<string, string>, send: () => Promise<void>): Promise<boolean> {
    if (state.busy) return false
    state.problem = ''
    state.errors = check()
    if (Object.keys(state.errors).length > 0) return false
    state.busy = true
    try {
      await send()
      return true
    } catch (error) {
      state.errors = fieldErrors(error)
      // Said as a whole too: a refused member need not have a field on this form.
      state.problem = explain(error)
      return false
    } finally {
      state.busy = false
    }
  }

  function reset(): void {
    state.problem = ''
    state.errors = {}
  }

  return Object.assign(state, { submit, reset })
}

/** `administrator.phone` and `phone` are both the field "phone" of a form here. */
function fieldErrors(error: unknown): Record<string, string> {
  if (!(error instanceof ProblemError) || !Array.isArray(error.problem.errors)) return {}
  const found: Record<string, string> = {}
  for (const { field, message } of error.problem.errors as FieldError[]) found[field.split('.').pop() ?? field] = message
  return found
}

function explain(error: unknown): string {
  if (error instanceof ProblemError && error.status === 409) return `${t('conflict')} ${error.problem.detail ?? ''}`.trim()
  const named = Object.entries(fieldErrors(error)).map(([field, message]) => `${field}: ${message}`)
  return [failure(error), ...named].join(' · ')
}
