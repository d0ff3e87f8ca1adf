import { createApp } from 'vue'
import '../shared/ui.css'
import DocsApp from './DocsApp.vue'

createApp(DocsApp).mount('#app')
