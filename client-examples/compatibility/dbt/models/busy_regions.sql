{{ config(materialized='view') }}

select region from {{ ref('orders_by_region') }} where orders > 1
