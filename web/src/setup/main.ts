import { createApp } from 'vue'
import '../shared/ui.css'
import './setup.css'
import SetupApp from './SetupApp.vue'

createApp(SetupApp).mount('#app')
