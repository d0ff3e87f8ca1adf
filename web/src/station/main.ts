import { createApp } from 'vue'
import '../shared/ui.css'
import { recall } from '../shared/client'
import { theme } from '../shared/theme'
import StationApp from './StationApp.vue'

// A bright screen blinds a visitor at night: a station is dark until somebody chooses otherwise.
if (recall('theme') === null) theme.value = 'dark'

createApp(StationApp).mount('#app')
