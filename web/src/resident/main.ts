import { createApp } from 'vue'
import '../shared/ui.css'
import './resident.css'
import { unlockSoundOnFirstTouch } from '../shared/ring-tone'
import App from './App.vue'
import { dressForDemo } from './demo'
import { registerServiceWorker } from './install'

unlockSoundOnFirstTouch()
registerServiceWorker()
dressForDemo()
createApp(App).mount('#app')
