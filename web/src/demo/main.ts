import { createApp } from 'vue'
import '../shared/ui.css'
import DemoApp from './DemoApp.vue'

createApp(DemoApp).mount('#app')
