import { createApp } from 'vue'
import '../shared/ui.css'
import './resident.css'
import './pages.css'
import { unlockSoundOnFirstTouch } from '../shared/ring-tone'
import App from './App.vue'
import { takePersona } from './demo'
import { registerServiceWorker } from './install'

takePersona()
unlockSoundOnFirstTouch()
registerServiceWorker()
createApp(App).mount('#app')
